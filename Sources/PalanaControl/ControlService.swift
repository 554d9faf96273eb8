import Hummingbird
import HummingbirdCore
package import Logging
import NIOCore
package import NIOPosix
package import PalanaCore
import ServiceLifecycle
import Synchronization

/// The control API: on one machine a Unix socket and, when configured, TCP; in a cluster its network.
package final class ControlService: Service {
  private let configuration: ControlConfiguration
  private let handlers: RouteSource
  private let trail: AuditTrail
  private let userNames: UserNames
  private let operators: Set<UInt32>
  private let kills: KillService?
  private let collection: AuditCollection?
  private let group: MultiThreadedEventLoopGroup
  private let logger: Logger
  private let listening = Listening()

  /// - Parameters:
  ///   - operators: local users with the rights of an operator.
  /// - Throws: ``PalanaError`` with code `invalid` for a configuration that would be unsafe.
  package init(
    _ configuration: ControlConfiguration, _ dependencies: ControlDependencies,
    operators: Set<UInt32> = Authenticator.localOperators, group: MultiThreadedEventLoopGroup = .singleton,
    logger: Logger
  ) throws(PalanaError) {
    try configuration.check()
    self.configuration = configuration
    self.group = group
    self.logger = logger
    self.operators = operators
    userNames = dependencies.userNames
    collection = dependencies.collection
    let trail = AuditTrail(sink: dependencies.audit, clock: dependencies.clock, logger: logger)
    self.trail = trail
    let document = OpenAPIDocument.make(version: configuration.version).encoded(pretty: true)
    let open = SystemRoutes.open(document: document).merging(CollectionRoutes.handlers(dependencies.collection, trail)) { first, _ in first
    }
    switch dependencies.scopes {
    case .same(let scope):
      let services = ControlServices(scope, dependencies, configuration, trail)
      kills = services.kills
      handlers = .same(services.handlers.merging(open) { first, _ in first })
    case .each(let scope):
      kills = nil
      handlers = .each(open: open) { caller throws(PalanaError) in
        ControlServices(try await scope(caller), dependencies, configuration, trail).handlers
      }
    }
  }

  /// Kills and takes kills back from inside the daemon; nil where only callers can.
  package var killService: KillService? { kills }

  /// Port of the TCP or network listener once it listens; nil without one, or when the service ended first.
  package func tcpPort() async -> Int? { await listening.tcp.value() }

  /// Returns when the Unix socket can be connected to.
  package func waitUntilListening() async { _ = await listening.unix.value() }

  /// Listens until graceful shutdown: open streams are ended, requests under way are answered.
  package func run() async throws {
    defer { listening.finish() }
    let unix = try await unixListener()
    let tcp = try tcpListener()
    if unix == nil { listening.unix.set(nil) }
    if tcp == nil { listening.tcp.set(nil) }
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      if let retries = kills?.retries { tasks.addTask { await cancelWhenGracefulShutdown { await retries.run() } } }
      if let certificate = configuration.network?.certificate {
        tasks.addTask { [logger] in await cancelWhenGracefulShutdown { await certificate.keepUp(logger: logger) } }
      }
      if let unix { tasks.addTask { try await unix.run() } }
      if let tcp { tasks.addTask { try await tcp.run() } }
      // If one of them ends, or fails, while the others would go on, the whole ends: a daemon is not half reachable.
      try await tasks.next()
      try await gracefulEnd(&tasks)
    }
  }

  private func unixListener() async throws -> (any Service)? {
    guard let socket = configuration.socket else { return nil }
    try await ControlSocketFile.checkFree(socket.path)
    return try application(
      .peerCredentials(names: userNames, operators: operators), hosts: nil,
      address: .unixDomainSocket(path: socket.path),
      perUser: UserConnections(limit: configuration.limits.connectionsPerUser, unlimited: operators)
    ) { [listening, logger] channel in
      do {
        try await ControlSocketFile.restrict(socket.path, group: socket.group)
        listening.unix.set(0)
      } catch {
        // Nobody may connect by a socket whose permissions are not what was asked for.
        logger.critical("control.socket.unprotected", metadata: ["error": "\(error)"])
        try? await channel.close()
      }
    }
  }

  private func tcpListener() throws(PalanaError) -> (any Service)? {
    if let network = configuration.network {
      // A page on a hostile name cannot know a token, and people reach a service of a cluster by names that it does not know.
      return try application(
        .review(network.review), hosts: nil, address: .hostname(network.address.description, port: network.port), perUser: nil,
        certificate: network.certificate
      ) { [listening] channel in listening.tcp.set(channel.localAddress?.port ?? network.port) }
    }
    guard let tcp = configuration.tcp else { return nil }
    return try application(
      .token(tcp.token, identity: tcp.identity), hosts: HostCheck(listening: tcp.address, extra: tcp.hostNames),
      address: .hostname(tcp.address.description, port: tcp.port), perUser: nil
    ) { [listening] channel in
      listening.tcp.set(channel.localAddress?.port ?? tcp.port)
    }
  }

  /// After a graceful shutdown every task ends by itself; in every other case they are cancelled.
  private func gracefulEnd(_ tasks: inout ThrowingTaskGroup<Void, any Error>) async throws {
    if !Task.isShuttingDownGracefully { tasks.cancelAll() }
    try await tasks.waitForAll()
  }

  private func application(
    _ authenticator: Authenticator, hosts: HostCheck?, address: BindAddress, perUser: UserConnections?,
    certificate: ServerCertificate? = nil, onRunning: @escaping @Sendable (any Channel) async -> Void
  ) throws(PalanaError) -> some Service {
    let limits = configuration.limits
    let authentication = AuthenticationMiddleware(
      authenticator: authenticator, hosts: hosts, trail: trail,
      failures: FailureBudget(perMinute: limits.authenticationNotes), collection: collection)
    let router = try ControlRouter.make(
      handlers: handlers, authentication: authentication, trail: trail, limits: limits)
    return Application(
      router: router,
      server: HTTPServerBuilder { responder in
        ControlChannel(responder: responder, limits: limits, perUser: perUser, certificate: certificate)
      },
      configuration: ApplicationConfiguration(
        address: address, availableConnectionsDelegate: .maximum(limits.connections, logger: logger)),
      onServerRunning: onRunning, eventLoopGroupProvider: .shared(group), logger: logger)
  }
}

/// The services behind the routes.
struct ControlServices {
  let system: SystemService
  let resources: ResourceService
  let agents: AgentService
  let attacks: AttackService
  let secrets: SecretService
  let egress: EgressRuleService
  let kills: KillService
  let audit: AuditService
  let models: LLMService
  let credentials: LLMCredentialService
  let content: LLMContentService

  init(_ scope: ControlScope, _ dependencies: ControlDependencies, _ configuration: ControlConfiguration, _ trail: AuditTrail) {
    let store = scope.store
    resources = ResourceService(store: store, gateway: scope.gateway, trail: trail)
    secrets = SecretService(store: store, writer: scope.secrets, gateway: scope.gateway, trail: trail)
    agents = AgentService(
      store: store, engine: scope.engine, resources: resources, secrets: secrets, trail: trail,
      clock: dependencies.clock, timer: dependencies.timer, activity: dependencies.activity)
    attacks = AttackService(agents: agents, attacker: scope.attacker)
    egress = EgressRuleService(store: store, resources: resources, tester: scope.egressTester)
    kills = KillService(
      store: store, way: KillService.Way(scope.containment, dependencies, store, trail), trail: trail, clock: dependencies.clock)
    audit = AuditService(reader: dependencies.auditReader)
    let source = Self.models(dependencies)
    models = LLMService(source: source, access: Access(store: store), clock: dependencies.clock, version: configuration.version)
    credentials = LLMCredentialService(source: source, writer: scope.secrets, gateway: scope.gateway, trail: trail)
    content = LLMContentService(source: source, trail: trail)
    system = SystemService(
      probe: dependencies.system, resources: resources, trail: trail, installation: configuration.installation,
      version: configuration.version)
  }

  private static func models(_ dependencies: ControlDependencies) -> LLMService.Source {
    switch dependencies.scopes {
    case .same: dependencies.llm.map { .gateway($0) } ?? .none
    case .each: .cluster
    }
  }

  var handlers: RouteHandlers {
    [
      SystemRoutes.handlers(system), ResourceRoutes.handlers(resources, agents),
      AgentRoutes.handlers(agents), AttackRoutes.handlers(attacks), SecretRoutes.handlers(secrets), EgressRoutes.handlers(egress),
      ContainmentRoutes.handlers(kills, audit), LLMRoutes.handlers(models, credentials, content),
    ].reduce(into: [:]) { all, part in all.merge(part) { first, _ in first } }
  }
}

/// Where the service listens, as far as it does.
final class Listening: Sendable {
  let unix = Announced<Int>()
  let tcp = Announced<Int>()

  func finish() {
    unix.set(nil)
    tcp.set(nil)
  }
}

/// A value that is set once and can be waited for.
final class Announced<Value: Sendable>: Sendable {
  private enum State {
    case open([CheckedContinuation<Value?, Never>])
    case set(Value?)
  }

  private let state = Mutex(State.open([]))

  /// The first call counts.
  func set(_ value: Value?) {
    let waiting: [CheckedContinuation<Value?, Never>] = state.withLock { state in
      guard case .open(let waiting) = state else { return [] }
      state = .set(value)
      return waiting
    }
    for continuation in waiting { continuation.resume(returning: value) }
  }

  func value() async -> Value? {
    await withCheckedContinuation { continuation in
      let ready: Value?? = state.withLock { state in
        switch state {
        case .set(let value): return .some(value)
        case .open(let waiting):
          state = .open(waiting + [continuation])
          return .none
        }
      }
      if let ready { continuation.resume(returning: ready) }
    }
  }
}

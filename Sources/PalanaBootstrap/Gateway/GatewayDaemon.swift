import Glibc
import Logging
import NIOCore
import PalanaAudit
import PalanaCore
import PalanaEgress
import PalanaLocal
import PalanaPolicy
import PalanaSecrets
import PalanaStore
import ServiceLifecycle
import UnixSignals

/// `palanad gateway`: the gateway alone, for agents that something else starts. It takes agents and rules from a folder of manifests or
/// from a cluster, and secrets from a Vault or OpenBao server, and keeps nothing but its audit trail.
struct GatewayDaemon {
  /// Where agents and all that decides about them are written.
  enum Agents {
    case folder(ManifestFolder)
    case cluster(ClusterSource)

    /// - Throws: ``PalanaError`` with code `invalid` when the configuration names none or both, or what it names cannot be used.
    static func configured(_ configuration: LocalConfiguration) async throws(PalanaError) -> Agents {
      guard configuration.gateway.cluster.isEnabled else { return .folder(try ManifestFolder(configuration)) }
      guard configuration.gateway.agents.isEmpty else {
        throw PalanaError(.invalid, "gateway.agents: agents are those of a folder or those of a cluster, not both")
      }
      return .cluster(try await ClusterSource(configuration.gateway.cluster))
    }
  }

  let configuration: LocalConfiguration
  let agents: Agents
  let logger: Logger
  private let layout: HomeLayout

  /// - Throws: ``PalanaError`` with code `invalid` that names the key that a gateway of its own needs.
  init(configuration: LocalConfiguration, agents: Agents, logger: Logger) throws(PalanaError) {
    var configuration = configuration
    // There is no firewall here that would redirect anybody.
    configuration.egress.transparent.isEnabled = false
    guard configuration.egress.listen != nil else {
      throw PalanaError(
        .invalid, "egress.listen: a gateway of its own has no subnet from which it would know its address", hint: "ADDRESS:PORT")
    }
    guard !configuration.secrets.address.isEmpty else {
      throw PalanaError(
        .invalid, "secrets.address: a gateway of its own has its certificate authority and the secrets of agents from a server",
        hint: "secrets.address names a Vault or OpenBao server, secrets.tokenFile or secrets.kubernetes.role how to log in there")
    }
    guard configuration.llm.routes.isEmpty else {
      throw PalanaError(
        .invalid, "llm.routes: a gateway of its own does not lead to language models; the daemon of one machine does",
        hint: "leave llm.routes out")
    }
    self.configuration = configuration
    self.agents = agents
    self.logger = logger
    layout = HomeLayout(home: configuration.home)
  }

  /// Runs until SIGTERM or SIGINT.
  ///
  /// - Throws: ``PalanaError`` that says what stood in the way of the start.
  func run() async throws {
    try layout.prepare([layout.run, layout.auditSpool])
    let lock = try DaemonProcess.lock(layout.lock)
    defer { close(lock) }
    for warning in configuration.warnings { logger.warning("configuration", metadata: ["warning": "\(warning)"]) }
    let spool = try AuditSpool(directory: layout.auditSpool)
    let auditLog = try await AuditLog.open(
      path: layout.auditDatabase, spool: spool, retention: configuration.auditRetention,
      headKey: try await AuditHeadKey.load(layout.auditHeadKey), logger: logger)
    let store = try OpenBaoSupervisor(try secretStore, logger: logger)
    let role = GatewayRole(
      configuration: configuration, layout: layout, agents: agents, spool: spool, store: store, logger: logger)
    var services: [ServiceGroupConfiguration.ServiceConfiguration] = [.init(service: auditLog)]
    if !configuration.auditCollector.url.isEmpty {
      services.append(.init(service: AuditForwarder(auditLog, to: configuration.auditCollector, logger: logger)))
    }
    services += [.init(service: store), .init(service: role, successTerminationBehavior: .gracefullyShutdownGroup)]
    let group = ServiceGroup(
      configuration: .init(
        services: services,
        gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
    try await group.run()
  }

  /// The keys of the installation, without running anything.
  ///
  /// - Throws: ``PalanaError`` when the secret store cannot be used.
  func keys() async throws -> (authority: CertificateAuthority, tokens: ProxyTokens) {
    let store = try OpenBaoSupervisor(try secretStore, logger: logger)
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await store.run() }
      defer { group.cancelAll() }
      try await store.ready()
      let installation = InstallationSecrets(store: store.gateway)
      return (
        try await InstallationKeys.certificateAuthority(installation), try await InstallationKeys.proxyTokens(installation)
      )
    }
  }

  private var secretStore: OpenBaoConfiguration {
    get throws(PalanaError) { try configuration.externalStore() }
  }
}

/// What is built once the secret store answers. One service, so that it starts after its foundations and ends before them.
private struct GatewayRole: Service, CustomStringConvertible {
  let configuration: LocalConfiguration
  let layout: HomeLayout
  let agents: GatewayDaemon.Agents
  let spool: AuditSpool
  let store: OpenBaoSupervisor
  let logger: Logger

  var description: String { "GatewayRole" }

  func run() async throws {
    try await store.ready()
    guard let listen = configuration.egress.listen else { return }
    let installation = InstallationSecrets(store: store.gateway)
    let authority = try await InstallationKeys.certificateAuthority(installation)
    let tokens = try await InstallationKeys.proxyTokens(installation)
    let tools = LocalTools()
    let guardrails = try await configuration.loadGuardrails(tools, logger: logger)
    let egress = configuration.gateway(
      at: listen, addresses: try addressPolicy(listen), hosts: try configuration.staticHosts(), transparent: nil)
    let sink = sinks()
    let stored = CachingSecretSource(store: store.gateway)
    let endpoints = try TokenEndpointClient(configuration: egress)
    let values = MintingSecretSource(
      stored: stored, transport: endpoints, record: MintAudit.recorder(sink("daemon")))
    let gateway = try configuration.dataPlane(
      egress, authority, values, tools: tools, logger: logger, envoyFolder: envoyFolder
    ) { number in sink("egress-\(number)") }
    let kills: @Sendable (Set<AgentID>) -> Void = { killed in
      // First the refusal: an agent that both orders cover is refused throughout.
      values.revoke(killed)
      values.restore(stored.revokedAgents.subtracting(killed))
    }
    var services: [any Service]
    let health: GatewayHealth
    let status = { @Sendable [store] in store.health }
    switch agents {
    case .folder(let folder):
      let follower = ManifestFollower(
        folder: folder, book: PolicyBook(guardrails: guardrails, logger: logger), proxyToken: tokens.token(uid:), killed: kills,
        patience: configuration.gateway.patience, logger: logger, apply: { await gateway.apply($0) })
      services = [stored, endpoints, values, gateway, FollowerStart(follower: follower)]
      health = GatewayHealth(gateway: gateway, source: "manifests", picture: { follower.health }, secrets: status)
    case .cluster(let cluster):
      let follower = ClusterFollower(
        cluster, book: PolicyBook(guardrails: guardrails, trustsVersions: true, logger: logger), proxyToken: tokens.token(uid:),
        killed: kills, logger: logger, apply: { await gateway.apply($0) })
      // They end in the opposite order: what is still open ends while kills are heard of, and the lease goes last.
      services = [
        cluster.server, GatewayLease(source: cluster, follower: follower, logger: logger), follower, stored, endpoints, values, gateway,
        ActivityReporter(
          client: cluster.client, activity: { await gateway.activity() }, places: { _ in follower.places }, logger: logger),
      ]
      health = GatewayHealth(gateway: gateway, source: "cluster", picture: { follower.health }, secrets: status)
    }
    if let probes = configuration.gateway.probes { services.append(health.service(at: probes, logger: logger)) }
    defer { logger.notice("the gateway has ended") }
    try await ServiceGroup(
      configuration: .init(
        services: services.map { .init(service: $0, successTerminationBehavior: .gracefullyShutdownGroup) }, logger: logger)
    ).run()
    for guardrail in guardrails { await (guardrail as? any GuardrailShutdown)?.close() }
  }

  /// Where events go, by the name of who writes them.
  private func sinks() -> @Sendable (String) -> any AuditSink {
    let spool = spool
    guard configuration.auditStdout else { return { spool.makeWriter(label: $0) } }
    let stream = AuditStream(descriptor: STDOUT_FILENO)
    return { AuditTee(spool.makeWriter(label: $0), stream) }
  }

  /// What may be dialled: the operator's ranges, never the gateway itself or its probes.
  private func addressPolicy(_ listen: LocalConfiguration.Endpoint) throws(PalanaError) -> AddressPolicy {
    for range in configuration.egress.allowAddresses { try AddressPolicy.validate(range) }
    var own: [AddressPolicy.ForbiddenEndpoint] = []
    for endpoint in [listen, configuration.gateway.probes].compactMap(\.self) {
      let port = UInt16(clamping: endpoint.port)
      own.append(AddressPolicy.ForbiddenEndpoint(address: .v4(0), port: port))
      own.append(AddressPolicy.ForbiddenEndpoint(address: endpoint.address, port: port))
    }
    return AddressPolicy(allowed: configuration.egress.allowAddresses, forbiddenEndpoints: own)
  }

  /// Envoy has a user of its own where this process may give it one, and the home is for this process's user alone.
  private var envoyFolder: String {
    geteuid() == 0 ? "/run/\(configuration.networkPrefix)-\(shortHash(configuration.home))-envoy" : layout.run + "/envoy"
  }
}

/// The first picture, without which the gateway does not start, and then every change of it.
private struct FollowerStart: Service {
  let follower: ManifestFollower

  func run() async throws {
    try await follower.start()
    try await follower.run()
  }
}

package import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
package import PalanaAudit
package import PalanaCore
package import PalanaSecrets
import ServiceLifecycle
import Synchronization

/// How the LLM gateway listens and where its routes lead.
package struct LLMGatewayConfiguration: Sendable {
  /// Where agents reach it.
  package var listenAddress: IPAddress
  /// Zero: the system chooses one.
  package var listenPort: UInt16
  /// Event loops; zero: one per core, at most eight.
  package var threads = 0
  package var routes: [LLMRoute]
  /// PEM files with further roots that upstream certificates may chain to; those of the system always count.
  package var upstreamCAFiles: [String] = []
  package var limits = LLMLimits()
  /// What is taken out of prompts, in this order; of routes that pass through nothing is.
  package var redaction: [RedactionPattern] = []
  package var connectTimeout = Duration.seconds(10)

  package init(listenAddress: IPAddress, listenPort: UInt16 = 0, routes: [LLMRoute]) {
    self.listenAddress = listenAddress
    self.listenPort = listenPort
    self.routes = routes
  }
}

/// The LLM gateway: how agents reach models without holding a key, with every token counted before it is spent.
package final class LLMGateway: Service {
  /// Makes the audit sink of one event loop; the argument is the number of the loop.
  package typealias AuditFactory = @Sendable (Int) throws -> any AuditSink

  private let configuration: LLMGatewayConfiguration
  let shared: LLMShared
  private let group: MultiThreadedEventLoopGroup
  private let clients: [UpstreamClients]
  let loops: [NIOLoopBoundBox<LLMLoop>]
  private let listener = Mutex<(any Channel)?>(nil)

  /// - Throws: ``PalanaError`` with code `invalid` or `failed`.
  package init(
    configuration: LLMGatewayConfiguration, ledger: Ledger, secrets: any SecretValueSource, audit: @escaping AuditFactory,
    breaker: ReasoningBreaker? = nil, content: ContentLog? = nil, clock: WallClock = .system, logger: Logger
  ) throws(PalanaError) {
    let threads = configuration.threads > 0 ? configuration.threads : min(8, System.coreCount)
    let sinks: [any AuditSink]
    do { sinks = try (0..<threads).map(audit) } catch {
      throw error as? PalanaError ?? PalanaError(.failed, "the audit of the LLM gateway could not be opened")
    }
    var routes: [String: LLMRoute] = [:]
    for route in configuration.routes {
      guard routes.updateValue(route, forKey: route.name) == nil else {
        throw PalanaError(.invalid, "llm.routes: ‘\(route.name)’ stands twice")
      }
    }
    let tls = try Self.tls(configuration.upstreamCAFiles)
    self.configuration = configuration
    group = MultiThreadedEventLoopGroup(numberOfThreads: threads)
    let shared = LLMShared(
      routes: routes, limits: configuration.limits, redactor: Redactor(configuration.redaction),
      ledger: ledger, breaker: breaker, secrets: secrets, learner: FingerprintLearner(secrets: secrets), content: content,
      bridge: WorkBridge(limit: 4_096), clock: clock, logger: logger)
    self.shared = shared
    let eventLoops = Array(group.makeIterator())
    let clients = eventLoops.map { UpstreamClients(on: $0, tls: tls, connectTimeout: configuration.connectTimeout) }
    self.clients = clients
    loops = zip(eventLoops, zip(clients, sinks)).map { loop, own in
      NIOLoopBoundBox.makeBoxSendingValue(LLMLoop(eventLoop: loop, shared: shared, clients: own.0, sink: own.1), eventLoop: loop)
    }
  }

  private static func tls(_ files: [String]) throws(PalanaError) -> TLSConfiguration {
    var tls = TLSConfiguration.makeClientConfiguration()
    tls.minimumTLSVersion = .tlsv12
    for file in files {
      do {
        tls.additionalTrustRoots.append(.certificates(try NIOSSLCertificate.fromPEMFile(file)))
      } catch {
        throw PalanaError(.invalid, "\(file) has no certificates of authorities in PEM", hint: "egress.upstreamCA names them")
      }
    }
    return tls
  }

  // MARK: Life

  /// Opens the listening socket; ``run()`` does it too. Idempotent.
  ///
  /// - Throws: ``PalanaError`` with code `failed` that names the address.
  package func listen() async throws(PalanaError) {
    guard listener.withLock({ $0 == nil }) else { return }
    let table = Dictionary(uniqueKeysWithValues: loops.map { (ObjectIdentifier($0.eventLoop), $0) })
    let (address, port) = (configuration.listenAddress, configuration.listenPort)
    do {
      let channel = try await ServerBootstrap(group: group)
        .serverChannelOption(.backlog, value: 1024)
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
        .childChannelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            guard let loop = table[ObjectIdentifier(channel.eventLoop)]?.value else { throw ChannelError.ioOnClosedChannel }
            try Self.serve(channel, loop)
          }
        }
        .bind(to: SocketAddress(ipAddress: "\(address)", port: Int(port)))
        .get()
      listener.withLock { $0 = channel }
    } catch {
      throw PalanaError(
        .failed, "the LLM gateway cannot listen on \(address) port \(port)",
        hint: "does the address exist on this machine, and is the port free?")
    }
    for loop in loops { try? await loop.onLoop { $0.start() } }
  }

  /// A connection whose source address is no agent's is closed before a byte of it is read. The address is trustworthy because the
  /// engine's firewall drops packets with a source that is not the sandbox's own.
  private static func serve(_ channel: any Channel, _ loop: LLMLoop) throws {
    guard let remote = channel.remoteAddress, let text = remote.ipAddress, let ip = IPAddress(text), let port = remote.port,
      let agent = loop.snapshot.agents[ip]
    else {
      loop.refuseUnknown(channel.remoteAddress)
      throw ChannelError.ioOnClosedChannel
    }
    let connection = AgentConnection(loop: loop, agent: agent, source: AuditEvent.Source(ip: ip, port: port))
    guard loop.admit(connection) else { throw ChannelError.ioOnClosedChannel }
    try channel.pipeline.syncOperations.addHandler(FlushGatherer())
    try channel.pipeline.syncOperations.configureHTTPServerPipeline(withPipeliningAssistance: true, withErrorHandling: true)
    try channel.pipeline.syncOperations.addHandler(connection)
  }

  /// Serves until graceful shutdown or cancellation. Every call under way gets its event before this returns.
  package func run() async throws {
    try await listen()
    await withDiscardingTaskGroup { group in
      group.addTask { [bridge = shared.bridge] in await bridge.run() }
      group.addTask { [learner = shared.learner] in await learner.run() }
      try? await gracefulShutdown()
      await stop()
    }
    for client in clients { await client.shutdown() }
    try? await group.shutdownGracefully()
  }

  private func stop() async {
    // Nothing new first, then what is open.
    if let channel = listener.withLock({ $0 }) { try? await channel.close() }
    await drain()
    for loop in loops { try? await loop.onLoop { $0.stop() } }
    shared.bridge.finish()
    shared.learner.finish()
  }

  /// Gives calls under way their time. Who cancels does not wait.
  private func drain() async {
    guard !Task.isCancelled else { return }
    let limit = configuration.limits.stopTimeout
    await withTaskGroup(of: Void.self) { group in
      group.addTask { [loops] in
        var ends: [EventLoopFuture<Void>] = []
        for loop in loops { if let end = try? await loop.onLoop({ $0.drain() }) { ends.append(end) } }
        for end in ends { try? await end.get() }
      }
      group.addTask { try? await Task.sleep(for: limit) }
      await group.next()
      group.cancelAll()
      // Those who wait for what is still open are told that it is over.
      for loop in loops { try? await loop.onLoop { $0.stop() } }
    }
  }

  // MARK: State

  /// Puts a new state of all agents in force on every event loop. Calls of agents that are gone or killed end. Returns when every loop
  /// has it.
  package func apply(_ snapshot: LLMSnapshot) async {
    shared.learner.adopt(snapshot.secrets)
    await withDiscardingTaskGroup { group in
      for loop in loops { group.addTask { try? await loop.onLoop { $0.apply(snapshot) } } }
    }
  }

  /// Closes every connection of these agents at once, whatever it is doing; returns when they are closed. Idempotent. It does not keep the
  /// agents from connecting again: ``apply(_:)`` does.
  package func cut(_ agents: Set<AgentID>) async {
    await withDiscardingTaskGroup { group in
      for loop in loops { group.addTask { try? await loop.onLoop { $0.cut(agents) } } }
    }
  }

  /// When each agent called a model last.
  package func activity() async -> [AgentID: Timestamp] {
    var activity: [AgentID: Timestamp] = [:]
    for loop in loops { activity.merge((try? await loop.onLoop { $0.activity() }) ?? [:]) { max($0, $1) } }
    return activity
  }

  /// The address and port, once the gateway listens.
  package var boundAddress: (address: IPAddress, port: UInt16)? {
    guard let local = listener.withLock({ $0?.localAddress }), let text = local.ipAddress, let ip = IPAddress(text), let port = local.port
    else { return nil }
    return (ip, UInt16(truncatingIfNeeded: port))
  }

  /// Connections of agents, for tests that nothing leaks.
  func openConnections() async -> Int {
    var sum = 0
    for loop in loops { sum += (try? await loop.onLoop { $0.openConnections }) ?? 0 }
    return sum
  }

  /// Bytes of bodies that are kept, for tests that nothing leaks.
  func bodyBytes() async -> Int {
    var sum = 0
    for loop in loops { sum += (try? await loop.onLoop { $0.bodyBytes }) ?? 0 }
    return sum
  }
}

extension NIOLoopBoundBox where Value == LLMLoop {
  /// Runs `body` on the event loop.
  func onLoop<Result: Sendable>(_ body: @escaping @Sendable (LLMLoop) -> Result) async throws -> Result {
    try await eventLoop.submit { body(self.value) }.get()
  }
}

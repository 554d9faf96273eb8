package import Logging
import NIOCore
import NIOPosix
package import PalanaAudit
package import PalanaCore
package import PalanaSecrets
import ServiceLifecycle
import Synchronization

/// The egress gateway: the only way out for agents.
package final class EgressGateway: Service {
  /// Makes the audit sink of one event loop; the argument is the number of the loop.
  package typealias AuditFactory = @Sendable (Int) throws -> any AuditSink

  private let shared: GatewayShared
  private let group: MultiThreadedEventLoopGroup
  private let resolverThreads: NIOThreadPool
  private let mintThreads: NIOThreadPool
  /// Those of connections, and the resolver's.
  private let loops: [NIOLoopBoundBox<LoopContext>]
  private let transparent: TransparentPlane?
  private let listener = Mutex<(any Channel)?>(nil)

  /// - Throws: ``PalanaError`` with code `invalid` or `failed`, also for an audit sink that cannot be made.
  package init(
    configuration: EgressGatewayConfiguration, certificateAuthority: CertificateAuthority,
    secrets: any SecretValueSource, audit: @escaping AuditFactory, clock: WallClock = .system, logger: Logger
  ) throws(PalanaError) {
    let mint = try LeafMint(authority: certificateAuthority)
    let upstreamTLS = try UpstreamTLS.context(extraRoots: configuration.upstreamCAFiles)
    let upstreamHTTP2 = try UpstreamTLS.context(
      extraRoots: configuration.upstreamCAFiles, protocols: ["h2", "http/1.1"])
    resolverThreads = NIOThreadPool(numberOfThreads: NameResolver.threadCount)
    mintThreads = NIOThreadPool(numberOfThreads: 2)
    shared = GatewayShared(
      configuration: configuration, resolver: NameResolver(configuration: configuration, threads: resolverThreads),
      leaves: LeafStore(mint: mint, threads: mintThreads, clock: clock, limits: configuration.limits),
      upstreamTLS: upstreamTLS, upstreamHTTP2: upstreamHTTP2, secrets: secrets, bridge: AsyncBridge(limit: 4096), clock: clock,
      logger: logger)
    let threads = configuration.threads > 0 ? configuration.threads : min(8, System.coreCount)
    let sinks: [any AuditSink]
    do {
      sinks = try (0..<(configuration.transparent == nil ? threads : threads + 1)).map(audit)
    } catch let error as PalanaError {
      throw error
    } catch {
      throw PalanaError(.failed, "the audit of the egress gateway could not be opened")
    }
    group = MultiThreadedEventLoopGroup(numberOfThreads: threads)
    let serving = zip(group.makeIterator(), sinks).map { [shared] loop, sink in
      NIOLoopBoundBox.makeBoxSendingValue(LoopContext(eventLoop: loop, shared: shared, sink: sink), eventLoop: loop)
    }
    transparent = configuration.transparent.map { [shared] in TransparentPlane($0, shared: shared, sink: sinks[threads]) }
    loops = serving + (transparent.map { [$0.loop] } ?? [])
    resolverThreads.start()
    mintThreads.start()
  }

  // MARK: Life

  /// Opens the listening socket; ``run()`` does it too. Idempotent.
  ///
  /// - Throws: ``PalanaError`` with code `failed` that names the address.
  package func listen() async throws(PalanaError) {
    guard listener.withLock({ $0 == nil }) else { return }
    let table = Dictionary(uniqueKeysWithValues: zip(loops.map { ObjectIdentifier($0.eventLoop) }, loops))
    let address = shared.configuration.listenAddress
    let port = Int(shared.configuration.listenPort)
    do {
      let channel = try await ServerBootstrap(group: group)
        .serverChannelOption(.backlog, value: 1024)
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .serverChannelOption(.maxMessagesPerRead, value: 64)
        .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
        .childChannelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            guard let loop = table[ObjectIdentifier(channel.eventLoop)]?.value else { throw ChannelError.ioOnClosedChannel }
            try channel.pipeline.syncOperations.addHandler(Admission(loop: loop))
          }
        }
        .bind(to: SocketAddress(packedIPAddress: ByteBuffer(bytes: address.networkBytes), port: port))
        .get()
      listener.withLock { $0 = channel }
    } catch {
      throw PalanaError(
        .failed, "the egress gateway cannot listen on \(address) port \(port)",
        hint: "does the address exist on this machine, and is the port free?")
    }
    if let transparent {
      try await transparent.listen(on: group) { channel in
        guard let loop = table[ObjectIdentifier(channel.eventLoop)]?.value else { throw ChannelError.ioOnClosedChannel }
        try channel.pipeline.syncOperations.addHandler(Admission(loop: loop, transparent: transparent))
      }
    }
    for loop in loops { try? await loop.onLoop { $0.start() } }
  }

  /// Serves until graceful shutdown or cancellation. Every request under way gets its event before this returns.
  package func run() async throws {
    try await listen()
    await withDiscardingTaskGroup { group in
      group.addTask { [bridge = shared.bridge] in await bridge.run() }
      group.addTask { [learner = shared.learner] in await learner.run() }
      try? await gracefulShutdown()
      await stop()
    }
    try? await resolverThreads.shutdownGracefully()
    try? await mintThreads.shutdownGracefully()
    await transparent?.shutdown()
    try? await group.shutdownGracefully()
  }

  private func stop() async {
    // Nothing new first, then what is open.
    if let channel = listener.withLock({ $0 }) { try? await channel.close() }
    await transparent?.close()
    await drain()
    for loop in loops { try? await loop.onLoop { $0.stop() } }
    shared.learner.finish()
    shared.bridge.finish()
  }

  /// Gives requests under way their time. Who cancels does not wait.
  private func drain() async {
    guard !Task.isCancelled else { return }
    await withTaskCancellationHandler {
      var ends: [EventLoopFuture<Void>] = []
      for loop in loops { if let end = try? await loop.onLoop({ $0.drain() }) { ends.append(end) } }
      for end in ends { try? await end.get() }
    } onCancel: {
      for loop in loops { loop.eventLoop.execute { loop.value.endDrain() } }
    }
  }

  // MARK: State

  /// Puts a new state of all agents in force on every event loop.
  ///
  /// Connections of agents that are gone, killed, or have another proxy token or address are cut; requests under way are
  /// judged again by the new policy. Returns when every loop has it. To kill, apply the killed state: that cuts as well.
  package func apply(_ snapshot: EgressSnapshot) async {
    shared.learner.adopt(snapshot.bindings + shared.tokens.keep(Set(snapshot.agents.values.map(\.id))))
    await withDiscardingTaskGroup { group in
      for loop in loops { group.addTask { try? await loop.onLoop { $0.apply(snapshot) } } }
    }
  }

  /// Closes every connection of these agents at once, to them and to upstreams, whatever it is doing; returns when they are
  /// closed. Idempotent. It does not keep the agents from connecting again: ``apply(_:)`` does.
  package func cut(_ agents: Set<AgentID>) async {
    await withDiscardingTaskGroup { group in
      for loop in loops { group.addTask { try? await loop.onLoop { $0.cut(agents, .agentKilled) } } }
    }
  }

  /// The address and port, once the gateway listens.
  package var boundAddress: (address: IPAddress, port: UInt16)? {
    guard let (ip, port) = listener.withLock({ $0?.localAddress })?.ipAndPort else { return nil }
    return (ip, UInt16(truncatingIfNeeded: port))
  }

  /// Ports of the transparent listener and of the resolver for agents, once the gateway listens with them.
  package var transparentPorts: (listener: Int, resolver: Int)? { transparent?.ports }

  package func statistics() async -> EgressStatistics {
    var sum = EgressStatistics()
    for loop in loops { if let part = try? await loop.onLoop({ $0.statistics }) { sum += part } }
    sum.mintedCertificates = UInt64(shared.leaves.minted)
    return sum
  }

  package func activity() async -> [AgentID: Timestamp] { shared.activity(countsOpen: false) }
}

extension NIOLoopBoundBox where Value == LoopContext {
  /// Runs `body` on the event loop of the context.
  func onLoop<Result: Sendable>(_ body: @escaping @Sendable (LoopContext) -> Result) async throws -> Result {
    try await eventLoop.submit { body(self.value) }.get()
  }
}

extension EgressGateway {
  /// Certificates in memory, for tests of the bound.
  var heldCertificates: Int { shared.leaves.count }

  /// Secrets whose values are recognised, for tests that wait for it.
  var recognisedSecrets: Int { shared.learner.book.count }

  /// Connections that count against the limits of agents, for tests that nothing leaks.
  var countedConnections: Int { shared.meters.connections }

  /// Requests that count against the limits of agents, for tests that nothing leaks.
  var requestsUnderWay: Int { shared.meters.requests }

  /// Bytes that wait in this process on their way in either direction, for tests of backpressure.
  func bufferedBytes() async -> Int {
    var sum = 0
    for loop in loops { sum += (try? await loop.onLoop { $0.bufferedBytes }) ?? 0 }
    return sum
  }
}

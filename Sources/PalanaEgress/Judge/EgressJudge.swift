package import Logging
import NIOCore
import NIOPosix
package import PalanaAudit
package import PalanaCore
package import PalanaPolicy
package import PalanaSecrets
import ServiceLifecycle

/// The gateway's checks, decisions, credentials and events for requests that another proxy carries.
///
/// A request goes the very way that it goes in the gateway (``RequestFlow``), only that it is not sent: the proxy is told how its
/// head changes and which address it may dial, and says later how it ended. There is no second form of any rule.
package final class EgressJudge: Service {
  private let shared: GatewayShared
  private let group: MultiThreadedEventLoopGroup
  private let threads: NIOThreadPool
  private let mint: LeafMint
  private let table: NIOLoopBoundBox<JudgeTable>
  /// Says that there is something for ``takeCut()``. For one reader.
  package let cuts: AsyncStream<Void>
  private let cutContinuation: AsyncStream<Void>.Continuation

  /// - Parameter mayGoUnscrubbed: whether requests get credentials although nobody looks for them in the responses.
  /// - Throws: ``PalanaError`` with code `invalid` or `failed`, also for an audit sink that cannot be made.
  package init(
    configuration: EgressGatewayConfiguration, certificateAuthority: CertificateAuthority, secrets: any SecretValueSource,
    audit: EgressGateway.AuditFactory, mayGoUnscrubbed: Bool, clock: WallClock = .system, logger: Logger
  ) throws(PalanaError) {
    (cuts, cutContinuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    let upstreamTLS = try UpstreamTLS.context(extraRoots: configuration.upstreamCAFiles)
    mint = try LeafMint(authority: certificateAuthority)
    threads = NIOThreadPool(numberOfThreads: NameResolver.threadCount)
    group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    shared = GatewayShared(
      configuration: configuration, resolver: NameResolver(configuration: configuration, threads: threads),
      leaves: LeafStore(mint: mint, threads: threads, clock: clock, limits: configuration.limits), upstreamTLS: upstreamTLS,
      upstreamHTTP2: upstreamTLS, secrets: secrets, bridge: AsyncBridge(limit: 4096), clock: clock, logger: logger)
    let sink: any AuditSink
    do {
      sink = try audit(0)
    } catch let error as PalanaError {
      throw error
    } catch {
      throw PalanaError(.failed, "the audit of the egress gateway could not be opened")
    }
    let eventLoop = group.next()
    let context = LoopContext(eventLoop: eventLoop, shared: shared, sink: sink)
    table = NIOLoopBoundBox.makeBoxSendingValue(
      JudgeTable(loop: context, mayGoUnscrubbed: mayGoUnscrubbed) { [cutContinuation] in cutContinuation.yield() },
      eventLoop: eventLoop)
    threads.start()
  }

  package var configuration: EgressGatewayConfiguration { shared.configuration }

  /// Judges until graceful shutdown or cancellation. Every request that is open then gets its event.
  package func run() async throws {
    try? await onLoop { $0.loop.start() }
    await withDiscardingTaskGroup { tasks in
      tasks.addTask { [bridge = shared.bridge] in await bridge.run() }
      tasks.addTask { [learner = shared.learner] in await learner.run() }
      try? await gracefulShutdown()
      try? await onLoop {
        $0.endAll(.gatewayStopped)
        $0.loop.stop()
      }
      shared.learner.finish()
      shared.bridge.finish()
    }
    try? await threads.shutdownGracefully()
    try? await group.shutdownGracefully()
  }

  private func onLoop<Result: Sendable>(_ body: @escaping @Sendable (JudgeTable) -> Result) async throws -> Result {
    try await table.eventLoop.submit { [table] in body(table.value) }.get()
  }

  // MARK: Requests

  /// Judges one request; suspends for guardrails, secrets and names that are not in memory.
  package func judge(_ head: JudgedHead, from source: JudgedSource) async -> Judgement {
    await withCheckedContinuation { continuation in
      table.eventLoop.execute { [table] in
        table.value.judge(head, from: source) { continuation.resume(returning: $0) }
      }
    }
  }

  /// The proxy's word on how an allowed request ended. Unknown ones are ignored: they have their event.
  package func ended(_ id: String, _ end: JudgedEnd) {
    table.eventLoop.execute { [table] in table.value.ended(id, end) }
  }

  /// A request that the proxy refused by itself, before it asked.
  package func refusedElsewhere(_ source: JudgedSource, _ reason: DenialReason, method: String?, status: Int?) {
    table.eventLoop.execute { [table] in
      table.value.refusedElsewhere(source, reason, method: method, status: status)
      table.value.sweep()
    }
  }

  /// A connection that the proxy closed because its address is no agent's.
  package func refusedConnection(_ source: AuditEvent.Source) {
    table.eventLoop.execute { [table] in
      table.value.loop.refuse(RefusalLog.Refusal(ip: source.ip, port: source.port, reason: .agentUnknown))
    }
  }

  // MARK: Tunnels

  /// Where the tunnel leads, and whose it is; nil when it is not open.
  package func tunnel(_ id: String) async -> (source: JudgedSource, host: CanonicalHost)? {
    try? await onLoop { table in
      guard let open = table.tunnels[id] else { return nil }
      return (
        JudgedSource(agent: open.flow.agent.id, source: open.flow.source, tunnel: id), open.tunnel.authority.host
      )
    }
  }

  /// One of the two ends of a tunnel is closed.
  ///
  /// - Parameter handshake: of the end at which the agent's TLS ends; nil: it is the end that the agent opened.
  package func tunnelClosed(_ id: String, _ handshake: JudgedHandshake?) {
    table.eventLoop.execute { [table] in
      table.value.tunnelClosed(id, handshake)
      table.value.sweep()
    }
  }

  /// How long a certificate is used; it is valid for a day longer.
  package static var certificateUse: Duration { LeafMint.life - LeafMint.renewBefore }

  /// A fresh certificate for a name to which a tunnel is open at this moment, which policy has allowed; nil for any other.
  package func certificate(for name: String) async -> CertificateAuthority.PEMPair? {
    guard let host = try? CanonicalHost.parse(name), host.address == nil,
      (try? await onLoop({ $0.hasTunnel(to: host) })) == true
    else { return nil }
    let now = shared.clock.now()
    return try? await threads.runIfActive { [mint] in try mint.pem(for: host, now: now) }
  }

  // MARK: State

  /// Puts a new state of all agents in force.
  ///
  /// - Returns: the agents whose open connections the proxy has to close: they are gone or killed, or a request that is under way
  ///   is no longer allowed.
  package func apply(_ snapshot: EgressSnapshot) async -> Set<AgentID> {
    shared.learner.adopt(snapshot.bindings)
    return
      (try? await onLoop { table in
        table.apply(snapshot)
        return table.takeCut()
      }) ?? []
  }

  /// Ends every request of these agents here; the proxy closes their connections.
  package func cut(_ agents: Set<AgentID>) async {
    try? await onLoop {
      $0.cut(agents, .agentKilled)
      _ = $0.takeCut()
    }
  }

  /// Agents that were cut since the last call, because a guardrail answered late.
  package func takeCut() async -> Set<AgentID> { (try? await onLoop { $0.takeCut() }) ?? [] }

  /// The proxy is gone, and with it everything that it had open.
  package func proxyEnded() async { try? await onLoop { $0.endAll(.gatewayStopped) } }

  /// When each agent was active last. Bytes pass elsewhere, so what is open is taken to be active.
  package func activity() -> [AgentID: Timestamp] { shared.activity(countsOpen: true) }

  package func statistics() async -> EgressStatistics {
    (try? await onLoop { $0.loop.statistics }) ?? EgressStatistics()
  }
}

import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Glibc
package import Logging
import NIOPosix
package import PalanaCore
package import PalanaEgress
import ServiceLifecycle
import Synchronization

/// Envoy as the carrier of agents' requests: started and supervised here, asking this process about every request.
package final class EnvoyDataPlane: EgressDataPlane {
  private let configuration: EnvoyConfiguration
  private let judge: EgressJudge
  private let board: DiscoveryBoard
  private let logger: Logger
  /// Ends the Envoy that runs.
  private let ending = Mutex<AsyncStream<Void>.Continuation?>(nil)

  package init(_ configuration: EnvoyConfiguration, judge: EgressJudge, logger: Logger) {
    self.configuration = configuration
    self.judge = judge
    self.logger = logger
    board = DiscoveryBoard(connectionLimit: configuration.egress.limits.connectionsPerAgent)
  }

  package let restrictions = [
    "secrets in bodies and websocket frames: refused",
    "secrets in responses are not looked for; egress.envoy.unscrubbed accepts that, otherwise requests with a secret are refused",
    "HTTP/2 inside of tunnels, tunnels to addresses and pushes of Git: refused",
  ]

  /// Envoy joins folded lines and takes bare line feeds.
  package let isStrict = false

  // MARK: Life

  /// Runs Envoy until graceful shutdown or cancellation, and starts it again when it ends.
  package func run() async throws {
    defer { board.disconnected() }
    try await NIOThreadPool.singleton.runIfActive { [configuration] in try EnvoyFolder(configuration: configuration).prepare() }
    let socket = try ControlSocket.listen(configuration.controlSocket, owner: geteuid() == 0 ? configuration.user : nil)
    let server = ControlServer(
      authorization: AuthorizationService(judge: judge, board: board),
      discovery: DiscoveryService(
        judge: judge, board: board,
        listener: AgentListener(
          address: configuration.egress.listenAddress, port: configuration.egress.listenPort,
          newConnectionsPerSecond: configuration.egress.limits.newConnectionsPerSecond),
        secretLimit: configuration.egress.limits.leafCapacity, logger: logger,
        lost: { [self] in endEnvoy() }),
      accessLog: AccessLogService(judge: judge, board: board)
    ).server(socket: socket)
    // No children of this task: a server that is cancelled while Envoy still opens streams on its connection ends the process
    // (swift-nio insists that each channel is closed by whoever was given it). It is told to stop when Envoy is gone, and the judge,
    // which the server asks, when the server is.
    let judging = Task.detached { [judge] in try? await judge.run() }
    let (serverEnd, end) = AsyncStream.makeStream(of: Void.self)
    let serving = Task {
      defer { end.finish() }
      try await server.serve()
    }
    await withDiscardingTaskGroup { group in
      group.addTask { [self] in
        for await _ in judge.cuts { board.renew(await judge.takeCut()) }
      }
      group.addTask { [self] in await supervise() }
      // Without the server nothing would be judged, and no kill heard of: then Envoy ends too, and with it whatever it has open.
      await withTaskGroup(of: Void.self) { ends in
        ends.addTask { _ = try? await gracefulShutdown() }
        ends.addTask { for await _ in serverEnd {} }
        await ends.next()
        ends.cancelAll()
      }
      group.cancelAll()
    }
    server.beginGracefulShutdown()
    let result = await serving.result
    judging.cancel()
    await judging.value
    if case .failure(let error) = result { throw PalanaError(.failed, "the control server of Envoy has ended: \(error)") }
  }

  private func supervise() async {
    var pause = Duration.milliseconds(100)
    while !Task.isCancelled {
      let started = ContinuousClock.now
      let how = await runOnce()
      board.disconnected()
      guard !Task.isCancelled else { return }
      // Nothing of what it had open will be heard of again.
      await judge.proxyEnded()
      logger.error("Envoy has ended and is started again", metadata: ["envoy.how": "\(how)"])
      pause = ContinuousClock.now - started > .seconds(30) ? .milliseconds(100) : min(pause * 2, .seconds(10))
      guard (try? await Task.sleep(for: pause)) != nil else { return }
    }
  }

  /// One life of Envoy, which ``endEnvoy()`` may end.
  private func runOnce() async -> String {
    let (ends, end) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    ending.withLock { $0 = end }
    return await withTaskGroup(of: String.self) { group in
      group.addTask { [configuration, logger] in
        do throws(PalanaError) {
          return try await EnvoyProcess(configuration: configuration, logger: logger).run()
        } catch {
          return error.message
        }
      }
      group.addTask {
        for await _ in ends { break }
        return "it did not take a new list of agents in time, or its connection broke off"
      }
      let how = await group.next() ?? ""
      group.cancelAll()
      return how
    }
  }

  // MARK: State

  /// The address and port, while Envoy serves the newest picture of all agents.
  package var boundAddress: (address: IPAddress, port: UInt16)? {
    board.isInForce ? (configuration.egress.listenAddress, configuration.egress.listenPort) : nil
  }

  package func apply(_ snapshot: EgressSnapshot) async {
    // First the judge: from here on nothing new is allowed. Then Envoy, which closes what is open.
    let cut = await judge.apply(snapshot)
    board.update(snapshot.all, cut: cut)
    await settle()
  }

  package func cut(_ agents: Set<AgentID>) async {
    await judge.cut(agents)
    board.renew(agents)
    await settle()
  }

  /// Waits until Envoy has taken what is newest. An Envoy that does not is ended: with it ends every connection of every agent.
  private func settle() async {
    guard await isLate() else { return }
    logger.error("Envoy did not take a new list of agents in time and is ended")
    endEnvoy()
    _ = await isLate()
  }

  /// Waits until Envoy has taken what is newest, or has ended, for as long as it may take.
  private func isLate() async -> Bool {
    enum End { case settled, late, cancelled }
    let end = await withTaskGroup(of: End.self) { group in
      group.addTask { [board] in
        _ = await board.settled()
        return .settled
      }
      group.addTask { [configuration] in (try? await Task.sleep(for: configuration.patience)) != nil ? .late : .cancelled }
      let end = await group.next() ?? .cancelled
      if end != .settled { board.giveUp() }
      group.cancelAll()
      return end
    }
    return end == .late
  }

  private func endEnvoy() { ending.withLock { _ = $0?.yield() } }

  package func statistics() async -> EgressStatistics { await judge.statistics() }

  package func activity() async -> [AgentID: Timestamp] { judge.activity() }
}

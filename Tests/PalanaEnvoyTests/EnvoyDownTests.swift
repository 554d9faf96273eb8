import GRPCCore
import Glibc
import Logging
import PalanaAudit
import PalanaCore
import PalanaPolicy
import Testing

@testable import PalanaEgress
@testable import PalanaEnvoy

/// The real Envoy when one of the two sides is gone: nothing new passes, and what was open ends.
@Suite("Envoy egress: sides that are gone", .timeLimit(.minutes(10)), .enabled(if: EnvoyFixture.isInstalled))
struct EnvoyDownTests {
  @Test func withoutAnybodyToAskNothingPasses() async throws {
    var options = EnvoyFixture.Options()
    options.serves = false
    options.certificate = nil
    try await EnvoyFixture.run(options) { fixture, upstream in
      try EnvoyFolder(configuration: fixture.configuration).prepare()
      let socket = try ControlSocket.listen(fixture.configuration.controlSocket, owner: fixture.configuration.user)
      let board = DiscoveryBoard(connectionLimit: 8)
      let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
      let server = ControlServer(
        authorization: AuthorizationService(judge: fixture.judge, board: board),
        discovery: DiscoveryService(
          judge: fixture.judge, board: board,
          listener: AgentListener(address: .v4(0x7f00_0001), port: UInt16(fixture.port)), secretLimit: 8, logger: logger, lost: {}),
        accessLog: AccessLogService(judge: fixture.judge, board: board)
      ).server(socket: socket)
      let snapshot = try fixture.snapshot(1)
      _ = await fixture.judge.apply(snapshot)
      board.update(snapshot.all, cut: [])
      let judging = Task { try? await fixture.judge.run() }
      let serving = Task { try await server.serve() }
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { _ = try await EnvoyProcess(configuration: fixture.configuration, logger: logger).run() }
        #expect(await fixture.eventually { board.isInForce })
        try await fixture.client { wire in
          try await wire.send(fixture.plain("/before"))
          #expect(try await wire.response()?.status == 200)
          // From here on Envoy finds nobody at its socket for a new question.
          server.beginGracefulShutdown()
          #expect(await fixture.eventually { (try? await Self.plain(fixture))??.status == 503 })
          let refused = try await Self.plain(fixture)
          #expect(refused?.reason == "policy_unavailable")
          #expect(refused?.member("error") == "egress_unavailable")
          // Also on the connection that was judged before.
          try await wire.send(fixture.plain("/after"))
          #expect(try await wire.response()?.status == 503)
        }
        #expect(!upstream.requests.contains { $0.contains("/after") })
        group.cancelAll()
        while let end = await group.nextResult() { _ = end }
      }
      _ = await serving.result
      judging.cancel()
      await judging.value
    }
  }

  private static func plain(_ fixture: EnvoyFixture) async throws -> Response? {
    try await fixture.client { wire in
      try await wire.send(fixture.plain("/now"))
      return try await wire.response()
    }
  }

  @Test func whatAKilledEnvoyHadOpenIsWrittenDown() async throws {
    var options = EnvoyFixture.Options()
    options.script = EnvoyContainmentTests.endless
    try await EnvoyFixture.run(options) { fixture, _ in
      let envoy = try #require(fixture.process())
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/stream"))
        _ = try await wire.head()
        kill(envoy, SIGKILL)
        while try await wire.some() != nil {}
      }
      let event = await fixture.sink.events(1).first
      #expect(event?.decision == .error)
      #expect(event?.reason == "gateway_stopped")
      #expect(event?.request?.path == "/stream")
      #expect(await fixture.eventually { fixture.plane.boundAddress != nil })
      // Nothing is left of the old one in the counts.
      #expect(await fixture.plane.statistics().openConnections == 0)
    }
  }

  /// An Envoy that does not do what it is told is ended: a kill does not depend on it.
  @Test func anEnvoyThatHangsIsEndedByAKill() async throws {
    var options = EnvoyFixture.Options()
    options.script = EnvoyContainmentTests.endless
    options.patience = .milliseconds(300)
    try await EnvoyFixture.run(options) { fixture, _ in
      let envoy = try #require(fixture.process())
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/stream"))
        _ = try await wire.head()
        kill(envoy, SIGSTOP)
        await fixture.plane.apply(try fixture.snapshot(2, killA: true))
        while try await wire.some() != nil {}
      }
      #expect(await fixture.sink.events(1).first?.reason == "agent_killed")
      #expect(await fixture.eventually { fixture.process().map { $0 != envoy } ?? false })
    }
  }

  /// A stream that is lost counts only while it is the one in use, and a kill waits for the end of the Envoy behind it.
  @Test func aLostStreamIsNoticedOnce() async throws {
    let board = DiscoveryBoard(connectionLimit: 8)
    let (_, wake) = AsyncStream.makeStream(of: Void.self)
    let first = board.connected(wake)
    #expect(board.lost(first))
    #expect(!board.lost(first))
    let second = board.connected(wake)
    #expect(!board.lost(first), "it belongs to an Envoy that is gone")
    #expect(board.lost(second))
    #expect(!board.isInForce)
    async let settled = board.settled()
    board.disconnected()
    #expect(await !settled)
  }
}

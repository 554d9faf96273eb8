import NIOCore
import NIOEmbedded
import NIOPosix
import NIOSSL
import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaPolicy
import Synchronization
import Testing

@testable import PalanaEgress

/// The family "Life cycle": the kill switch cuts a connection in every state that it can be in.
///
/// Each case brings one connection of A into a state, kills A, and checks the same promises: both sides are closed, nothing new
/// is admitted, each request that had begun has one event, and nothing stays counted.
@Suite(.timeLimit(.minutes(10)))
struct KillTests {
  /// Answers a head and then keeps the connection open, doing nothing.
  private static let silent: Upstream.Script = { wire, upstream in
    guard let head = try await wire.head() else { return }
    upstream.note(head)
    _ = try await wire.rest()
  }

  /// Sends `answer` after the head, and then keeps the connection open.
  private static func stalls(after answer: String) -> Upstream.Script {
    { wire, upstream in
      guard let head = try await wire.head() else { return }
      upstream.note(head)
      try await wire.send(answer)
      _ = try await wire.rest()
    }
  }

  /// - Parameters:
  ///   - events: the reasons of the events of requests that the kill leaves behind, in order.
  ///   - gate: what holds the connection up; opened after the kill, when it must not matter any more.
  ///   - enter: brings the connection into its state, and returns when it is there.
  private func kills(
    _ options: GatewayFixture.Options = .init(), events: [String?], opening gate: Gate? = nil,
    _ enter: @Sendable (GatewayFixture, Upstream, inout Wire) async throws -> Void
  ) async throws {
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.client { wire in
        try await enter(fixture, upstream, &wire)
        try await fixture.kill()
        // The kill switch may be pressed twice, and cut what is cut already.
        await fixture.gateway.cut([try GatewayFixture.idA])
        _ = try await wire.rest()
      }
      #expect(await fixture.isQuiet(upstream))
      gate?.open()
      #expect(fixture.requestEvents.map(\.reason) == events)
      #expect(Set(fixture.requestEvents.compactMap(\.request?.id)).count == events.count)
      #expect(fixture.requestEvents.allSatisfy { $0.agent?.name == "a" })
      // Nothing new.
      let again = try? await fixture.client { wire in
        try? await wire.send(fixture.connect("allowed.test"))
        return try await wire.rest()
      }
      #expect(again == nil || again == "")
      #expect(await fixture.gateway.statistics().openConnections == 0)
      // The other agent is not touched.
      let other = try await fixture.client(from: "127.0.1.2") { wire in
        try await wire.send(fixture.connect("allowed.test", token: GatewayFixture.tokenB))
        return try await wire.head()
      }
      #expect(other?.hasPrefix("HTTP/1.1 200 ") == true)
    }
  }

  /// CONNECT and TLS, on a connection that is there.
  private func openTunnel(_ fixture: GatewayFixture, _ wire: inout Wire, _ host: String = "allowed.test") async throws {
    try await wire.send(fixture.connect(host))
    try #require(try await wire.head()?.hasPrefix("HTTP/1.1 200 ") == true)
    try await wire.startTLS(fixture.clientTLS, name: host)
  }

  private func isAdmitted(_ fixture: GatewayFixture) async -> Bool {
    await fixture.eventually { await fixture.gateway.statistics().openConnections == 1 }
  }

  // MARK: Before a request

  @Test func beforeTheFirstByte() async throws {
    try await kills(events: []) { fixture, _, _ in #expect(await isAdmitted(fixture)) }
  }

  @Test func inTheMiddleOfAHead() async throws {
    try await kills(events: []) { fixture, _, wire in
      try await wire.send("CONNECT allowed.te")
      #expect(await isAdmitted(fixture))
    }
  }

  @Test func whileAConnectIsDecided() async throws {
    let gate = Gate()
    var options = GatewayFixture.Options()
    options.guardrails = [WaitingGuardrail(gate: gate)]
    try await kills(options, events: ["agent_killed"], opening: gate) { fixture, _, wire in
      try await wire.send(fixture.connect("allowed.test"))
      #expect(await fixture.eventually { gate.arrivals == 1 })
    }
  }

  @Test func inATunnelBeforeTheHandshake() async throws {
    try await kills(events: ["agent_killed"]) { fixture, _, wire in
      try await wire.send(fixture.connect("allowed.test"))
      #expect(try await wire.head()?.hasPrefix("HTTP/1.1 200 ") == true)
    }
  }

  @Test func inTheMiddleOfAHello() async throws {
    try await kills(events: ["agent_killed"]) { fixture, _, wire in
      try await wire.send(fixture.connect("allowed.test"))
      #expect(try await wire.head()?.hasPrefix("HTTP/1.1 200 ") == true)
      try await wire.send(Array(try Self.hello(fixture).prefix(40)))
    }
  }

  @Test func inTheMiddleOfTheHandshake() async throws {
    try await kills(events: ["agent_killed"]) { fixture, _, wire in
      try await wire.send(fixture.connect("allowed.test"))
      #expect(try await wire.head()?.hasPrefix("HTTP/1.1 200 ") == true)
      try await wire.send(try Self.hello(fixture))
      // The gateway's side of the handshake; the client's last message never comes.
      #expect(try await wire.bytes(5)?.first == 22)
    }
  }

  @Test func inATunnelThatIsOpenAndUnused() async throws {
    try await kills(events: ["agent_killed"]) { fixture, _, wire in
      try await openTunnel(fixture, &wire)
      // The handshake of TLS 1.3 is over for the client before it is for the gateway: half a head makes sure.
      try await wire.send("GET / HT")
    }
  }

  @Test func betweenTwoRequests() async throws {
    try await kills(events: [nil]) { fixture, _, wire in
      try await openTunnel(fixture, &wire)
      try await wire.send(fixture.request("/"))
      #expect(try await wire.response()?.status == 200)
    }
  }

  // MARK: In a request

  @Test func whileASecretIsFetched() async throws {
    let gate = Gate()
    try await kills(events: ["agent_killed"], opening: gate) { fixture, upstream, wire in
      fixture.secrets.state.withLock {
        $0.isCached = false
        $0.gate = gate
      }
      try await openTunnel(fixture, &wire)
      try await wire.send(fixture.request("/", "authorization: Bearer \(GatewayFixture.placeholder)"))
      #expect(await fixture.eventually { gate.arrivals == 1 })
      #expect(upstream.connections == 0)
    }
  }

  @Test func whileANameIsResolved() async throws {
    // A name server that hears and never answers.
    let server = try await NameServer(NameServer.Zone(silent: ["slow.names.test"]))
    var options = GatewayFixture.Options()
    options.nameServers = [.init(address: .v4(0x7f00_0001), port: server.port)]
    options.limits.resolveTimeout = .seconds(1)
    try await kills(options, events: ["agent_killed"]) { fixture, _, wire in
      try await openTunnel(fixture, &wire, "slow.names.test")
      try await wire.send(fixture.request("/", host: "slow.names.test"))
      #expect(await fixture.eventually { !server.questions.isEmpty })
    }
    await server.stop()
  }

  @Test func inTheHandshakeWithTheUpstream() async throws {
    var options = GatewayFixture.Options()
    options.certificate = nil
    options.script = { wire, _ in _ = try await wire.rest() }
    try await kills(options, events: ["agent_killed"]) { fixture, upstream, wire in
      try await openTunnel(fixture, &wire)
      try await wire.send(fixture.request("/"))
      #expect(await fixture.eventually { upstream.open == 1 })
    }
  }

  @Test(arguments: ["content-length: 1000000", "transfer-encoding: chunked"])
  func inARequestBody(framing: String) async throws {
    var options = GatewayFixture.Options()
    options.script = Self.silent
    try await kills(options, events: ["agent_killed"]) { fixture, upstream, wire in
      try await openTunnel(fixture, &wire)
      try await wire.send(fixture.request("/", method: "POST", framing) + "ffff\r\nhalf")
      #expect(await fixture.eventually { upstream.requests.count == 1 })
    }
  }

  @Test func whileTheResponseIsAwaited() async throws {
    var options = GatewayFixture.Options()
    options.script = Self.silent
    try await kills(options, events: ["agent_killed"]) { fixture, upstream, wire in
      try await openTunnel(fixture, &wire)
      try await wire.send(fixture.request("/"))
      #expect(await fixture.eventually { upstream.requests.count == 1 })
    }
  }

  @Test func withAnotherRequestInTheQueue() async throws {
    var options = GatewayFixture.Options()
    options.script = Self.silent
    try await kills(options, events: ["agent_killed"]) { fixture, upstream, wire in
      try await openTunnel(fixture, &wire)
      // The second one was not looked at yet: it has not begun.
      try await wire.send(fixture.request("/1") + fixture.request("/2"))
      #expect(await fixture.eventually { upstream.requests.count == 1 })
    }
  }

  @Test(arguments: [
    "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf", "HTTP/1.1 200 OK\r\n\r\nhalf",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhalf.\r\n",
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n",
  ])
  func inAResponseBody(answer: String) async throws {
    var options = GatewayFixture.Options()
    options.script = Self.stalls(after: answer)
    try await kills(options, events: ["agent_killed"]) { fixture, _, wire in
      try await openTunnel(fixture, &wire)
      try await wire.send(fixture.request("/"))
      #expect(try await wire.head()?.hasPrefix("HTTP/1.1 200 ") == true)
      #expect(try await wire.bytes(4) != nil)
    }
  }

  @Test func inADownloadThatTheClientDoesNotRead() async throws {
    let sent = Counter()
    var options = GatewayFixture.Options()
    options.script = { wire, upstream in
      guard let head = try await wire.head() else { return }
      upstream.note(head)
      try await wire.send("HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
      try await wire.flood(1_000_000_000) { sent.set($0) }
    }
    try await kills(options, events: ["agent_killed"]) { fixture, upstream, wire in
      try await openTunnel(fixture, &wire)
      try await wire.send(fixture.request("/"))
      #expect(try await wire.head() != nil)
      #expect(await sent.stalls(fixture))
    }
  }

  @Test func inAWebsocket() async throws {
    var options = GatewayFixture.Options()
    options.script = Self.stalls(
      after: "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n\u{1}\u{2}hi")
    try await kills(options, events: ["agent_killed"]) { fixture, _, wire in
      try await openTunnel(fixture, &wire)
      try await wire.send(fixture.request("/", "connection: upgrade", "upgrade: websocket"))
      #expect(try await wire.head()?.hasPrefix("HTTP/1.1 101 ") == true)
      #expect(try await wire.bytes(4) != nil)
      try await wire.send("frames")
    }
  }

  @Test func inAPlainExchange() async throws {
    var options = GatewayFixture.Options()
    options.certificate = nil
    options.script = Self.silent
    try await kills(options, events: ["agent_killed"]) { fixture, upstream, wire in
      try await wire.send(fixture.plain())
      #expect(await fixture.eventually { upstream.requests.count == 1 })
    }
  }

  @Test func afterTheLastAnswer() async throws {
    try await kills(events: ["malformed_request"]) { fixture, _, wire in
      try await wire.send("nonsense\r\n\r\n")
      // The answer is there, and the gateway waits for the client to close.
      #expect(try await wire.response()?.status == 400)
    }
  }

  /// The same agent at the same address, in another pod: what the one before had open is not its own.
  @Test func anotherLifeOfTheAgent() async throws {
    var options = GatewayFixture.Options()
    options.certificate = nil
    options.script = Self.silent
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.client { wire in
        try await wire.send(fixture.plain())
        #expect(await fixture.eventually { upstream.requests.count == 1 })
        await fixture.gateway.apply(try fixture.snapshot(2, instanceA: "another-pod"))
        _ = try await wire.rest()
      }
      #expect(await fixture.isQuiet(upstream))
      #expect(fixture.requestEvents.map(\.reason) == ["agent_changed"])
      // The new one is served.
      let head = try await fixture.client { wire in
        try await wire.send(fixture.connect("allowed.test"))
        return try await wire.head()
      }
      #expect(head?.hasPrefix("HTTP/1.1 200 ") == true)
    }
  }

  // MARK: Many at once

  @Test func manyConnectionsInAllStates() async throws {
    var options = GatewayFixture.Options()
    options.script = Self.silent
    try await GatewayFixture.run(options) { fixture, upstream in
      try await withThrowingDiscardingTaskGroup { group in
        for number in 0..<60 {
          group.addTask {
            // The kill may come at any moment of it: only the counts are looked at.
            try? await fixture.client { wire in
              if number % 3 > 0 { try await openTunnel(fixture, &wire) }
              if number % 3 > 1 { try await wire.send(fixture.request("/\(number)")) }
              _ = try await wire.rest()
            }
          }
        }
        #expect(await fixture.eventually { upstream.requests.count >= 5 })
        try await fixture.kill()
      }
      #expect(await fixture.isQuiet(upstream))
      let ids = fixture.requestEvents.compactMap(\.request?.id)
      #expect(Set(ids).count == ids.count)
      let forwarded = fixture.requestEvents.filter { $0.action == "request" }
      #expect(forwarded.count >= upstream.requests.count)
    }
  }

  /// The first message of a TLS client.
  private static func hello(_ fixture: GatewayFixture) throws -> [UInt8] {
    let channel = EmbeddedChannel(handler: try NIOSSLClientHandler(context: fixture.clientTLS, serverHostname: "allowed.test"))
    defer { _ = try? channel.finish(acceptAlreadyClosed: true) }
    try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    var bytes: [UInt8] = []
    while let next = try channel.readOutbound(as: ByteBuffer.self) { bytes += Array(buffer: next) }
    return bytes
  }
}

import NIOCore
import NIOPosix
import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaPolicy
import Synchronization
import Testing

@testable import PalanaEgress

/// Redirected connections and questions for names over real sockets. Where a connection was to go is told by the test, in place of the
/// machine's connection tracker.
@Suite(.timeLimit(.minutes(10)))
struct TransparentGatewayTests {
  /// What the connection tracker would say of the next connection.
  private final class Tracker: Sendable {
    private let next = Mutex<OriginalDestination.Endpoint?>(nil)

    func set(_ address: IPAddress, _ port: UInt16) { next.withLock { $0 = .init(address: address, port: port) } }

    var lookup: OriginalDestination.Lookup {
      { channel in
        guard let endpoint = self.next.withLock({ $0 }) else {
          return channel.eventLoop.makeFailedFuture(ChannelError.operationUnsupported)
        }
        return channel.eventLoop.makeSucceededFuture(endpoint)
      }
    }
  }

  private func run(
    _ options: GatewayFixture.Options = .init(), _ body: @Sendable (GatewayFixture, Tracker, Upstream) async throws -> Void
  ) async throws {
    let tracker = Tracker()
    var options = options
    options.destination = tracker.lookup
    try await GatewayFixture.run(options) { fixture, upstream in try await body(fixture, tracker, upstream) }
  }

  /// Asks the resolver over TCP: the code and the address in the answer.
  private func resolve(
    _ fixture: GatewayFixture, _ name: String, type: UInt16 = 1, from source: String = "127.0.1.1", after: [UInt8] = []
  ) async throws -> (code: Int, answers: Int, rest: [UInt8])? {
    let ports = try #require(fixture.gateway.transparentPorts)
    let message = DNSQuestionTests.message(
      name.split(separator: ".").map(String.init), type: type, counts: [1, 0, 0, after.isEmpty ? 0 : 1], after: after)
    do {
      return try await fixture.client(from: source, to: ports.resolver) { wire in
        try await wire.send([UInt8(message.count >> 8), UInt8(message.count & 255)] + message)
        guard let head = try await wire.bytes(2), let reply = try await wire.bytes(Int(head[0]) << 8 | Int(head[1])) else {
          return nil
        }
        #expect(reply[0] == 0x12 && reply[1] == 0x34 && reply[2] & 0x80 != 0)
        return (Int(reply[3] & 15), Int(reply[7]), Array(reply.dropFirst(message.count - after.count)))
      }
    } catch ChannelError.ioOnClosedChannel {
      // Closed at the door, before the question was written.
      return nil
    }
  }

  /// The address that stands for a name of agent A.
  private func address(_ fixture: GatewayFixture, of name: String = "allowed.test") async throws -> IPAddress {
    let reply = try #require(try await resolve(fixture, name))
    #expect(reply.code == 0 && reply.answers == 1 && reply.rest.count == 16)
    return .v4(reply.rest.suffix(4).reduce(0) { $0 << 8 | UInt32($1) })
  }

  private func redirected<Result: Sendable>(
    _ fixture: GatewayFixture, from source: String = "127.0.1.1", _ body: (inout Wire) async throws -> Result
  ) async throws -> Result {
    let ports = try #require(fixture.gateway.transparentPorts)
    return try await fixture.client(from: source, to: ports.listener, body)
  }

  // MARK: Names

  @Test func anAllowedNameHasAnAddressThatStandsForIt() async throws {
    try await run { fixture, _, _ in
      let first = try await address(fixture)
      #expect(try CIDR("198.18.0.0/15").contains(first))
      #expect(try await address(fixture) == first)
      #expect(try await address(fixture, of: "other.test") != first)
      // Other types of an allowed name: nothing, without an error.
      for type: UInt16 in [28, 65, 16, 15, 33, 255] {
        let reply = try #require(try await resolve(fixture, "allowed.test", type: type))
        #expect(reply.code == 0 && reply.answers == 0)
      }
      // Its reverse name leads back.
      guard case .v4(let value) = first else { return }
      let reverse = "\(value & 255).\(value >> 8 & 255).\(value >> 16 & 255).\(value >> 24).in-addr.arpa"
      let pointer = try #require(try await resolve(fixture, reverse, type: 12))
      #expect(pointer.code == 0 && String(decoding: pointer.rest, as: UTF8.self).contains("allowed"))
      #expect(try await resolve(fixture, reverse, type: 12, from: "127.0.1.2")?.code == 3)
      #expect(fixture.sink.events.first?.action == "resolve")
      #expect(fixture.sink.events.first?.decision == .allow)
      #expect(fixture.sink.events.first?.request?.host == "allowed.test")
    }
  }

  @Test func aDeniedNameHasNoneAndIsWrittenDown() async throws {
    try await run { fixture, _, _ in
      for type: UInt16 in [1, 28, 16, 255] {
        #expect(try await resolve(fixture, "evil.test", type: type)?.code == 3)
      }
      // Why, for those who understand it.
      let explained = try #require(try await resolve(fixture, "evil.test", after: DNSQuestionTests.opt))
      #expect(explained.code == 3)
      #expect(String(decoding: explained.rest, as: UTF8.self).contains("host_not_allowed"))
      #expect(try await resolve(fixture, "evil.test", type: 252)?.code == 5)
      #expect(try await resolve(fixture, "not a host")?.code == 3)
      #expect(try await resolve(fixture, "allowed.test", from: "127.0.1.3") == nil)
      let events = fixture.sink.events
      #expect(events.map(\.action) == ["resolve", "resolve", "resolve", "connection"])
      #expect(
        events.map(\.reason) == ["host_not_allowed", "protocol_not_supported", "malformed_request", "agent_unknown"])
      #expect(events.map(\.request?.host) == ["evil.test", "evil.test", nil, nil])
      #expect(fixture.gateway.countedConnections == 0)
    }
  }

  @Test func aKilledAgentGetsNoAnswer() async throws {
    try await run { fixture, _, _ in
      _ = try await address(fixture)
      let ports = try #require(fixture.gateway.transparentPorts)
      try await fixture.client(to: ports.resolver) { wire in
        try await wire.send([0])
        try await fixture.kill()
        #expect(try await wire.rest() == "")
      }
      #expect(try await resolve(fixture, "allowed.test") == nil)
    }
  }

  @Test func datagramsAreAnsweredAndLimited() async throws {
    try await run { fixture, _, _ in
      let ports = try #require(fixture.gateway.transparentPorts)
      let replies = Replies()
      let channel = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Replies.Handler(replies)) }
        }
        .bind(to: SocketAddress(ipAddress: "127.0.1.1", port: 0)).get()
      let remote = try SocketAddress(ipAddress: "127.0.0.1", port: ports.resolver)
      let message = ByteBuffer(bytes: DNSQuestionTests.message(["allowed", "test"]))
      func send() async throws {
        try await channel.writeAndFlush(AddressedEnvelope(remoteAddress: remote, data: message))
      }
      try await send()
      #expect(await fixture.eventually { replies.count == 1 })
      // Garbage is not answered, and hurts nobody.
      for length in [0, 1, 11] {
        let junk = ByteBuffer(repeating: 7, count: length)
        try await channel.writeAndFlush(AddressedEnvelope(remoteAddress: remote, data: junk))
      }
      // Until the budget is empty.
      while !fixture.sink.events.contains(where: { $0.reason == "limit_exceeded" }), !Task.isCancelled { try await send() }
      #expect(replies.count <= 2000)
      #expect(fixture.sink.events.count { $0.action == "resolve" } == 2)
      try await channel.close()
    }
  }

  /// A rule that is taken away takes the name away; an address from before leads to a refusal.
  @Test func whatIsNoLongerAllowedIsNoLongerResolved() async throws {
    try await run { fixture, tracker, upstream in
      tracker.set(try await address(fixture), fixture.upstreamPort)
      var options = GatewayFixture.Options()
      options.rulesA = []
      await fixture.gateway.apply(try fixture.snapshot(2, options: options))
      #expect(try await resolve(fixture, "allowed.test")?.code == 3)
      try await redirected(fixture) { wire in
        try await wire.send("GET / HTTP/1.1\r\nhost: allowed.test:\(fixture.upstreamPort)\r\n\r\n")
        #expect(try await wire.response()?.reason == "host_not_allowed")
      }
      #expect(upstream.connections == 0)
    }
  }

  // MARK: Connections

  @Test func tlsGoesItsWayWithTheSecret() async throws {
    try await run { fixture, tracker, upstream in
      tracker.set(try await address(fixture), fixture.upstreamPort)
      try await redirected(fixture) { wire in
        try await wire.startTLS(fixture.clientTLS, name: "allowed.test")
        for path in ["/one", "/two"] {
          try await wire.send(fixture.request(path, "authorization: Bearer \(GatewayFixture.placeholder)"))
          #expect(try await wire.response()?.status == 200)
        }
      }
      #expect(upstream.requests.count { $0.contains(GatewayFixture.canary) } == 2)
      let events = fixture.requestEvents.filter { $0.action != "resolve" }
      #expect(events.map(\.request?.path) == ["/one", "/two"])
      #expect(events.allSatisfy { $0.request?.host == "allowed.test" && $0.decision == .allow })
    }
  }

  @Test func plainHTTPGoesItsWay() async throws {
    var options = GatewayFixture.Options()
    options.certificate = nil
    try await run(options) { fixture, tracker, upstream in
      tracker.set(try await address(fixture), fixture.upstreamPort)
      try await redirected(fixture) { wire in
        try await wire.send("GET /plain HTTP/1.1\r\nhost: Allowed.test:\(fixture.upstreamPort)\r\n\r\n")
        #expect(try await wire.response()?.status == 200)
        // Each request is checked anew.
        try await wire.send("GET /other HTTP/1.1\r\nhost: other.test:\(fixture.upstreamPort)\r\n\r\n")
        #expect(try await wire.response()?.reason == "name_mismatch")
      }
      #expect(upstream.requests.count == 1)
      let events = fixture.requestEvents.filter { $0.action != "resolve" }
      #expect(events.map(\.reason) == [nil, "name_mismatch"])
      #expect(events.map(\.request?.scheme) == ["http", "http"])
    }
  }

  /// Nothing of these reaches an upstream; each is one event with its reason.
  @Test(arguments: [
    ("SSH-2.0-x\r\n", "protocol_not_supported", ""), ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "malformed_request", "400"),
    ("GET / HTTP/1.1\r\nhost: evil.test\r\n\r\n", "name_mismatch", "403"), ("GET / HTTP/1.1\r\n\r\n", "malformed_request", "400"),
    ("GET http://evil.test/ HTTP/1.1\r\nhost: allowed.test:PORT\r\n\r\n", "name_mismatch", "403"),
    ("CONNECT allowed.test:PORT HTTP/1.1\r\nhost: allowed.test:PORT\r\n\r\n", "protocol_not_supported", "403"),
    ("GET / HTTP/1.1\r\nhost: allowed.test\r\n\r\n", "name_mismatch", "403"),
    ("\u{16}\u{3}\u{1}\u{0}\u{1}\u{2}", "protocol_not_supported", "alert"),
  ])
  func whatDoesNotFitIsRefused(_ text: String, _ reason: String, _ answer: String) async throws {
    try await run { fixture, tracker, upstream in
      tracker.set(try await address(fixture), fixture.upstreamPort)
      try await redirected(fixture) { wire in
        try await wire.send(text.replacing("PORT", with: "\(fixture.upstreamPort)"))
        let rest = try await wire.rest()
        switch answer {
        case "": #expect(rest == "")
        case "alert": #expect(rest.utf8.elementsEqual([21, 3, 3, 0, 2, 2, 49]))
        default: #expect(rest.hasPrefix("HTTP/1.1 \(answer) "), "\(rest)")
        }
      }
      #expect(upstream.connections == 0)
      #expect(fixture.requestEvents.filter { $0.action != "resolve" }.map(\.reason) == [reason])
    }
  }

  @Test(arguments: [("other.test", "name_mismatch"), (nil, "name_mismatch")])
  func theServerNameIsThatOfTheAddress(_ name: String?, _ reason: String) async throws {
    try await run { fixture, tracker, upstream in
      tracker.set(try await address(fixture), fixture.upstreamPort)
      try await redirected(fixture) { wire in
        try? await wire.startTLS(fixture.clientTLS, name: name)
        _ = try await wire.rest()
      }
      #expect(upstream.connections == 0 && fixture.gateway.heldCertificates == 0)
      let events = fixture.requestEvents.filter { $0.action != "resolve" }
      #expect(events.map(\.reason) == [reason])
      #expect(events.map(\.action) == ["connect"])
    }
  }

  /// The policy is asked before TLS is answered: no certificate is made for what is denied.
  @Test func aPortThatNoRuleNamesIsRefusedBeforeTLS() async throws {
    try await run { fixture, tracker, _ in
      tracker.set(try await address(fixture), 8443)
      try await redirected(fixture) { wire in
        try? await wire.startTLS(fixture.clientTLS, name: "allowed.test")
        _ = try await wire.rest()
      }
      #expect(fixture.gateway.heldCertificates == 0)
      let event = fixture.requestEvents.last
      #expect(event?.reason == "port_not_allowed" && event?.request?.port == 8443 && event?.action == "connect")
    }
  }

  /// A literal address is its own name.
  @Test func aLiteralAddressIsJudgedAsTheAddressThatItIs() async throws {
    var options = GatewayFixture.Options()
    options.rulesA = [EgressRule(host: "127.0.0.9"), EgressRule(host: "169.254.169.254")]
    try await run(options) { fixture, tracker, _ in
      for (address, port, reason) in [
        ("93.184.216.34", UInt16(80), "host_not_allowed"), ("169.254.169.254", 80, "address_not_allowed"),
        // Allowed, and nobody is there.
        ("127.0.0.9", 80, "upstream_unreachable"),
      ] {
        tracker.set(try #require(IPAddress(address)), port)
        try await redirected(fixture) { wire in
          try await wire.send("GET / HTTP/1.1\r\nhost: \(address):\(port)\r\n\r\n")
          #expect(try await wire.response()?.reason == reason)
        }
      }
      #expect(fixture.requestEvents.map(\.request?.host) == ["93.184.216.34", "169.254.169.254", "127.0.0.9"])
    }
  }

  /// An address that stands for no name, an unknown destination, the listener itself, another agent's address for a name.
  @Test func whatStandsForNothingIsClosed() async throws {
    var options = GatewayFixture.Options()
    options.threads = 1
    try await run(options) { fixture, tracker, _ in
      func isClosed(from source: String) async throws -> Bool {
        try await redirected(fixture, from: source) { wire in try await wire.rest() == "" }
      }
      #expect(try await isClosed(from: "127.0.1.1"))
      tracker.set(.v4(0x7f00_0001), 3129)
      // The gateway's own address.
      #expect(try await isClosed(from: "127.0.1.2"))
      tracker.set(try await address(fixture), fixture.upstreamPort)
      #expect(try await isClosed(from: "127.0.1.2"))
      let refusals = fixture.sink.events.filter { $0.action == "connection" }
      #expect(refusals.map(\.reason) == ["address_not_allowed", "address_not_allowed"])
      #expect(fixture.gateway.countedConnections == 0)
    }
  }

  @Test func aConnectionThatSaysNothingEnds() async throws {
    var options = GatewayFixture.Options()
    options.limits.handshakeTimeout = .milliseconds(100)
    options.limits.headTimeout = .milliseconds(100)
    options.limits.tick = .milliseconds(20)
    try await run(options) { fixture, tracker, _ in
      tracker.set(try await address(fixture), fixture.upstreamPort)
      for text in ["", "GE"] {
        try await redirected(fixture) { wire in
          if !text.isEmpty { try await wire.send(text) }
          #expect(try await wire.rest() == "")
        }
      }
      #expect(
        fixture.requestEvents.filter { $0.action == "connect" }.map(\.reason) == ["protocol_not_supported", "request_timeout"])
    }
  }

  @Test func aKillEndsAnOpenDownload() async throws {
    var options = GatewayFixture.Options()
    options.script = { wire, _ in
      guard try await wire.head() != nil else { return }
      try await wire.send("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nfirst")
      _ = try await wire.rest()
    }
    try await run(options) { fixture, tracker, upstream in
      tracker.set(try await address(fixture), fixture.upstreamPort)
      try await redirected(fixture) { wire in
        try await wire.startTLS(fixture.clientTLS, name: "allowed.test")
        try await wire.send(fixture.request())
        _ = try await wire.head()
        #expect(try await wire.text(5) == "first")
        try await fixture.kill()
        #expect(try await wire.rest() == "")
      }
      #expect(await fixture.isQuiet(upstream))
      #expect(fixture.requestEvents.last?.reason == "agent_killed")
      // And one that has said nothing yet.
      #expect(try await redirected(fixture) { wire in try await wire.rest() == "" })
    }
  }

  @Test func aClientThatGoesBeforeItSpeaksIsOneEvent() async throws {
    try await run { fixture, tracker, upstream in
      tracker.set(try await address(fixture), fixture.upstreamPort)
      try await redirected(fixture) { wire in await wire.close() }
      #expect(await fixture.eventually { fixture.requestEvents.contains { $0.action == "connect" } })
      #expect(await fixture.isQuiet(upstream))
      #expect(fixture.requestEvents.filter { $0.action == "connect" }.map(\.reason) == ["client_aborted"])
    }
  }
}

/// Counts answers.
private final class Replies: Sendable {
  private let state = Mutex(0)
  var count: Int { state.withLock { $0 } }

  final class Handler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    private let replies: Replies
    init(_ replies: Replies) { self.replies = replies }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) { replies.state.withLock { $0 += 1 } }
  }
}

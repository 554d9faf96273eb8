import NIOCore
import PalanaAudit
import PalanaPolicy
import Testing

@testable import PalanaEgress

/// The family "Framing" over HTTP/2: what is malformed harms its own stream, what floods ends its own connection.
@Suite(.timeLimit(.minutes(10)))
struct HTTP2AttackTests {
  typealias Fields = [(String, String)]

  /// Heads that are refused, each with its reason. `A` stands for the authority of the tunnel.
  private static let heads: [(String, Fields)] = [
    ("malformed_request", [(":scheme", "https"), (":authority", "A"), (":path", "/")]),
    ("malformed_request", [(":method", "GET"), (":authority", "A"), (":path", "/")]),
    ("malformed_request", [(":method", "GET"), (":scheme", "https"), (":authority", "A")]),
    ("malformed_request", [(":method", "GET"), (":scheme", "https"), (":path", "/")]),
    ("malformed_request", [(":method", "GET"), (":method", "GET"), (":scheme", "https"), (":authority", "A"), (":path", "/")]),
    ("malformed_request", [(":method", "GET"), (":scheme", "https"), (":authority", "A"), (":path", "/"), (":path", "/a")]),
    ("malformed_request", [(":method", "GET"), (":scheme", "https"), (":authority", "A"), ("x", "y"), (":path", "/")]),
    ("malformed_request", [(":method", "GET"), (":scheme", "https"), (":authority", "A"), (":path", "/"), (":status", "200")]),
    ("malformed_request", [(":method", "GET"), (":scheme", "https"), (":authority", "A"), (":path", "/"), (":extra", "1")]),
    ("malformed_request", [(":method", "GET"), (":scheme", "http"), (":authority", "A"), (":path", "/")]),
    ("malformed_request", [(":method", "GET"), (":scheme", "https"), (":authority", "A"), (":path", "")]),
    ("malformed_request", [(":method", "GET"), (":scheme", "https"), (":authority", "A"), (":path", "https://evil.test/")]),
    ("malformed_request", [(":method", "GET"), (":scheme", "https"), (":authority", "A"), (":path", "/ HTTP/1.1\r\nx: y")]),
    (
      "malformed_request",
      [(":method", "GET / HTTP/1.1\r\nhost: evil.test\r\n\r\nGET"), (":scheme", "https"), (":authority", "A"), (":path", "/")]
    ),
    ("malformed_request", [(":method", "G ET"), (":scheme", "https"), (":authority", "A"), (":path", "/")]),
    ("malformed_request", [(":method", "GET"), (":scheme", "https"), (":authority", "user@A"), (":path", "/")]),
    ("malformed_request", [(":method", "GET"), (":scheme", "https"), (":authority", "A\r\nx: y"), (":path", "/")]),
    ("name_mismatch", [(":method", "GET"), (":scheme", "https"), (":authority", "evil.test"), (":path", "/")]),
    ("name_mismatch", [(":method", "GET"), (":scheme", "https"), (":authority", "A"), (":path", "/"), ("host", "evil.test")]),
    ("malformed_request", [(":method", "GET"), (":scheme", "https"), (":authority", "A"), (":path", "/"), ("host", "A"), ("host", "A")]),
    ("protocol_not_supported", [(":method", "CONNECT"), (":authority", "A")]),
    (
      "protocol_not_supported",
      [(":method", "CONNECT"), (":protocol", "connect-udp"), (":scheme", "https"), (":authority", "A"), (":path", "/")]
    ),
  ]

  /// Fields that make a good request unacceptable.
  private static let fields: [(String, Fields)] = [
    ("malformed_request", [("connection", "close")]), ("malformed_request", [("connection", "authorization")]),
    ("malformed_request", [("keep-alive", "1")]), ("malformed_request", [("proxy-connection", "close")]),
    ("malformed_request", [("transfer-encoding", "chunked")]), ("malformed_request", [("upgrade", "h2c")]),
    ("malformed_request", [("http2-settings", "AAMAAABkAAQAAP__")]), ("malformed_request", [("te", "gzip")]),
    ("malformed_request", [("X-Upper", "1")]), ("malformed_request", [("x y", "1")]), ("malformed_request", [("x:y", "1")]),
    ("malformed_request", [("x\r\ny", "1")]), ("malformed_request", [("x", "a\r\nauthorization: b")]),
    ("malformed_request", [("x", "a\u{0}b")]), ("malformed_request", [("x", "a\nb")]), ("malformed_request", [("x", " a")]),
    ("malformed_request", [("x", "a\t")]),
    ("malformed_request", [("content-length", "1")]), ("malformed_request", [("content-length", "-1")]),
    ("malformed_request", [("content-length", "0"), ("content-length", "0")]),
    ("method_not_allowed", [("x-http-method-override", "DELETE")]),
    ("headers_too_large", [("x", String(repeating: "a", count: 70_000))]),
    ("headers_too_large", (0..<200).map { ("x-\($0)", "1") }),
    ("secret_not_bound", [("x", GatewayFixture.placeholder)]),
  ]

  @Test func malformedHeadsAreRefusedAndTheConnectionLivesOn() async throws {
    try await GatewayFixture.run { fixture, upstream in
      let authority = "allowed.test:\(upstream.port)"
      var cases: [(String, Fields)] = []
      for (reason, fields) in Self.heads {
        var named: Fields = []
        for (name, value) in fields {
          let isAuthority = name == ":authority" || name == "host"
          named.append(
            (name, isAuthority ? value.split(separator: "A", omittingEmptySubsequences: false).joined(separator: authority) : value))
        }
        cases.append((reason, named))
      }
      for (reason, more) in Self.fields { cases.append((reason, fixture.fields() + more)) }
      let reasons: [String?] = cases.map { $0.0 }
      let all = cases
      try await fixture.http2(settings: [(4, 1 << 20)]) { wire in
        var id: UInt32 = 1
        for (reason, fields) in all {
          let shown = "\(fields.map { "\($0.0): \($0.1.prefix(40))" })"
          let block = try wire.block(fields)
          try await Self.send(block, id, &wire)
          let answer = try await wire.answer(id)
          #expect(answer.reason == reason, "\(shown)")
          id += 2
        }
        let value1 = try await wire.exchange(fixture.fields(), id).status
        #expect(value1 == 200)
      }
      #expect(upstream.requests.count == 1)
      #expect(await fixture.sink.events(reasons.count + 1).dropLast().map(\.reason) == reasons)
    }
  }

  /// A head in as many frames as it needs.
  private static func send(_ block: ByteBuffer, _ id: UInt32, _ wire: inout HTTP2Wire) async throws {
    var block = block
    var type = HTTP2Wire.headers
    repeat {
      let part = block.readSlice(length: min(16_384, block.readableBytes)) ?? ByteBuffer()
      let isLast = block.readableBytes == 0
      try await wire.send(type, (type == HTTP2Wire.headers ? 1 : 0) | (isLast ? 4 : 0), id, part)
      type = HTTP2Wire.continuation
    } while block.readableBytes > 0
  }

  @Test(arguments: [("4", ["12345"]), ("4", ["123"]), ("0", ["1"])])
  func aLengthThatIsNotThatOfTheBody(length: String, pieces: [String]) async throws {
    try await GatewayFixture.run { fixture, upstream in
      try await fixture.http2 { wire in
        try await wire.headers(fixture.fields("/", method: "POST", host: "allowed.test", ("content-length", length)), 1, ends: false)
        for piece in pieces { try await wire.data(piece, 1, ends: true) }
        let answer = try await wire.answer(1)
        #expect(answer.status != 200 || length == "0")
        let value2 = try await wire.exchange(fixture.fields(), 3).status
        #expect(value2 == 200)
      }
    }
  }

  @Test func aSecondHeadInTheMiddleIsRefused() async throws {
    try await GatewayFixture.run { fixture, upstream in
      try await fixture.http2 { wire in
        try await wire.headers(fixture.fields("/", method: "POST"), 1, ends: false)
        try await wire.headers([("x", "y")], 1, ends: false)
        let answer = try await wire.answer(1)
        #expect(answer.reason == "malformed_request" || answer.reset != nil)
        let value3 = try await wire.exchange(fixture.fields(), 3).status
        #expect(value3 == 200)
      }
    }
  }

  @Test func moreStreamsThanAllowedAreRefused() async throws {
    var options = GatewayFixture.Options()
    options.limits.http2.streams = 8
    options.script = { wire, upstream in
      guard let head = try await wire.head() else { return }
      upstream.note(head)
      _ = try await wire.rest()
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.http2 { wire in
        // Once the settings are known on both sides; before that NIO counts to a hundred.
        #expect(try await wire.settle() == 8)
        for number in 0..<UInt32(12) { try await wire.headers(fixture.fields(), number * 2 + 1) }
        for number in 8..<UInt32(12) {
          let reset = try await wire.answer(number * 2 + 1).reset
          #expect(reset == 7)
        }
        // Those that were there go on, and one that ends makes room.
        #expect(await fixture.eventually { upstream.requests.count == 8 })
        try await wire.send(HTTP2Wire.reset, 0, 1, ByteBuffer(integer: UInt32(8)))
        try await wire.headers(fixture.fields("/after"), 25)
        #expect(await fixture.eventually { upstream.requests.count == 9 })
        await fixture.gateway.cut([try GatewayFixture.idA])
      }
    }
  }

  /// Floods of frames that cost the sender little.
  private static let floods: [(String, @Sendable (GatewayFixture, inout HTTP2Wire) async throws -> Void)] = [
    (
      "pings",
      { _, wire in
        let ping = HTTP2Wire.frame(HTTP2Wire.ping, 0, 0, ByteBuffer(repeating: 0, count: 8))
        for _ in 0..<5_000 { try await wire.send(raw: ping) }
      }
    ),
    ("settings", { _, wire in for _ in 0..<5_000 { try await wire.send(settings: []) } }),
    (
      "resets",
      { fixture, wire in
        for number in 0..<5_000 {
          try await wire.headers(fixture.fields(), UInt32(number) * 2 + 1, ends: false)
          try await wire.send(HTTP2Wire.reset, 0, UInt32(number) * 2 + 1, ByteBuffer(integer: UInt32(8)))
        }
      }
    ),
    (
      "empty data",
      { fixture, wire in
        try await wire.headers(fixture.fields("/", method: "POST"), 1, ends: false)
        for _ in 0..<5_000 { try await wire.data("", 1) }
      }
    ),
    ("windows", { fixture, wire in for _ in 0..<20_000 { try await wire.open(0, by: 1) } }),
    (
      "priorities",
      { _, wire in
        var payload = ByteBuffer(integer: UInt32(0))
        payload.writeInteger(UInt8(16))
        for number in 0..<5_000 { try await wire.send(2, 0, UInt32(number) * 2 + 1, payload) }
      }
    ),
    (
      "continuations",
      { fixture, wire in
        try await wire.send(HTTP2Wire.headers, 0, 1, try wire.block(fixture.fields()))
        for number in 0..<5_000 {
          try await wire.send(HTTP2Wire.continuation, 0, 1, try wire.block([("x-\(number)", "y")]))
        }
      }
    ),
    (
      "a bomb of references",
      { fixture, wire in
        // One large entry of the table, then a head that names it again and again.
        try await wire.headers(fixture.fields() + [("x-bomb", String(repeating: "a", count: 3_900))], 1)
        var block = try wire.block(fixture.fields())
        block.writeRepeatingByte(0xbe, count: 16_000)
        try await wire.send(HTTP2Wire.headers, 5, 3, block)
      }
    ),
    (
      "a window that is too large",
      { _, wire in
        try await wire.open(0, by: 0x7fff_ffff)
        try await wire.open(0, by: 0x7fff_ffff)
      }
    ),
    ("a window that does not open", { _, wire in try await wire.open(0, by: 0) }),
    (
      "a frame that is too large",
      { fixture, wire in
        try await wire.headers(fixture.fields("/", method: "POST"), 1, ends: false)
        try await wire.send(HTTP2Wire.data, 0, 1, ByteBuffer(repeating: 0, count: 20_000))
      }
    ),
    ("data on no stream", { _, wire in try await wire.data("x", 0) }),
    ("an even stream", { fixture, wire in try await wire.headers(fixture.fields(), 2) }),
    (
      "a push",
      { fixture, wire in
        var payload = ByteBuffer(integer: UInt32(2))
        payload.writeImmutableBuffer(try wire.block(fixture.fields()))
        try await wire.send(5, 4, 1, payload)
      }
    ),
  ]

  @Test(arguments: floods.indices)
  func aFloodEndsItsOwnConnection(index: Int) async throws {
    let (name, flood) = Self.floods[index]
    try await GatewayFixture.run { fixture, upstream in
      try await fixture.http2 { wire in
        // Writing fails once the gateway has had enough.
        try? await flood(fixture, &wire)
        await wire.rest()
        let isOver = wire.isOver
        #expect(isOver, "\(name)")
      }
      #expect(await fixture.eventually { await fixture.gateway.statistics().openConnections == 0 }, "\(name)")
      #expect(await fixture.gateway.bufferedBytes() < 1 << 20)
      // The gateway is well.
      let after = try await fixture.http2 { wire in try await wire.exchange(fixture.fields(), 1) }
      #expect(after.status == 200)
    }
  }
}

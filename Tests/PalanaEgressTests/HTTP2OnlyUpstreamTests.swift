import NIOCore
import PalanaAudit
import Testing

@testable import PalanaEgress

/// Upstreams that speak nothing but HTTP/2, for agents of either protocol.
@Suite(.timeLimit(.minutes(10)))
struct HTTP2OnlyUpstreamTests {
  /// Answers with the method and the body of the request, without a length and with a trailer.
  private static let bodies: HTTP2UpstreamTests.Answer = { wire, stream, fields in
    let method = fields[":method"] ?? ""
    let body = method == "POST" ? try await wire.answer(stream).body : ""
    try await wire.headers([(":status", "200")], stream, ends: method == "HEAD")
    guard method != "HEAD" else { return }
    try await wire.data("\(method) \(body)", stream)
    try await wire.headers([("x-trailer", "1")], stream)
  }

  @Test func aClientOfHTTP1() async throws {
    var options = HTTP2UpstreamTests.options(protocols: ["h2"], Self.bodies)
    options.threads = 1
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/"))
        let first = try await wire.response()
        #expect(first?.status == 200)
        #expect(first?.body == "GET ")
        #expect(first?["transfer-encoding"] == "chunked")
        try await wire.send(fixture.request("/", method: "POST", "content-length: 5") + "hello")
        #expect(try await wire.response()?.body == "POST hello")
        try await wire.send(fixture.request("/", method: "POST", "transfer-encoding: chunked") + "2\r\nhe\r\n3\r\nllo\r\n0\r\nx: y\r\n\r\n")
        #expect(try await wire.response()?.body == "POST hello")
        try await wire.send(fixture.request("/", method: "HEAD"))
        #expect(try await wire.response(toHead: true)?.status == 200)
        try await wire.send(fixture.request("/last", "authorization: Bearer \(GatewayFixture.placeholder)"))
        #expect(try await wire.response()?.body == "GET ")
      }
      #expect(upstream.requests.last?.contains("authorization: Bearer \(GatewayFixture.canary)\r\n") == true)
      // One connection was turned away; that the other protocol is needed is remembered.
      #expect(upstream.connections == 2)
      #expect(await fixture.sink.events(5).allSatisfy { $0.decision == .allow && $0.request?.protocol == "http/1.1" })
    }
  }

  // MARK: Websockets

  private static let takesWebsockets: [(UInt16, UInt32)] = [(8, 1)]
  private static let key = "dGhlIHNhbXBsZSBub25jZQ=="
  private static let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

  /// Takes a websocket and sends everything back, its end too.
  private static let echo: HTTP2UpstreamTests.Answer = { wire, stream, fields in
    guard fields[":method"] == "CONNECT" else { return try await HTTP2UpstreamTests.echo(&wire, stream, fields) }
    try await wire.headers([(":status", "200"), ("sec-websocket-protocol", "chat"), ("content-length", "0")], stream, ends: false)
    while let frame = try await wire.step() {
      guard frame.type == HTTP2Wire.data, frame.stream == stream else { continue }
      try await wire.send(HTTP2Wire.data, frame.flags & 1, stream, frame.payload)
      if frame.flags & 1 == 1 { return }
    }
  }

  private static func upgrade(_ fixture: GatewayFixture) -> String {
    fixture.request(
      "/ws", "connection: Upgrade", "upgrade: websocket", "sec-websocket-version: 13", "sec-websocket-key: \(key)",
      "authorization: Bearer \(GatewayFixture.placeholder)")
  }

  /// A text frame of a client, under a mask of zeros, and of a server.
  private static func frame(_ text: String) -> [UInt8] { [0x81, 0x80 | UInt8(text.utf8.count), 0, 0, 0, 0] + Array(text.utf8) }

  @Test func aWebsocketOfHTTP1() async throws {
    try await GatewayFixture.run(HTTP2UpstreamTests.options(protocols: ["h2"], settings: Self.takesWebsockets, Self.echo)) {
      fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(Self.upgrade(fixture))
        let answer = Response(try #require(try await wire.head()))
        #expect(answer.status == 101)
        #expect(answer["upgrade"] == "websocket")
        #expect(answer["sec-websocket-accept"] == Self.accept)
        #expect(answer["sec-websocket-protocol"] == "chat")
        #expect(answer["content-length"] == nil)
        for text in ["one", "two"] {
          try await wire.send(Self.frame(text))
          let echoed = try await wire.bytes(9)
          #expect(echoed == Self.frame(text))
        }
        try await wire.finishWriting()
        #expect(try await wire.rest() == "")
      }
      let request = try #require(upstream.requests.first)
      #expect(request.contains(":method: CONNECT\r\n"))
      #expect(request.contains(":protocol: websocket\r\n"))
      #expect(request.contains(":path: /ws\r\n"))
      #expect(request.contains("authorization: Bearer \(GatewayFixture.canary)\r\n"))
      #expect(request.contains("sec-websocket-version: 13\r\n"))
      #expect(!request.contains("sec-websocket-key") && !request.contains("upgrade"))
      let event = try #require(await fixture.sink.events(1).first)
      #expect(event.request?.protocol == "websocket")
      #expect(event.decision == .allow)
      #expect(event.bytesSent == 18)
      #expect(event.response?.bytes == 18)
    }
  }

  @Test func aWebsocketOfHTTP2() async throws {
    try await GatewayFixture.run(HTTP2UpstreamTests.options(protocols: ["h2"], settings: Self.takesWebsockets, Self.echo)) {
      fixture, upstream in
      try await fixture.http2 { wire in
        let fields = fixture.fields("/ws", method: "CONNECT") + [(":protocol", "websocket"), ("sec-websocket-version", "13")]
        try await wire.headers(fields, 1, ends: false)
        let head = try await wire.answer(1) { $0.status != nil }
        #expect(head.status == 200)
        #expect(head["sec-websocket-accept"] == nil)
        try await wire.data("hello", 1)
        #expect(try await wire.answer(1) { $0.count == 5 }.body == "hello")
        try await wire.data("", 1, ends: true)
        let end = try await wire.answer(1)
        #expect(end.isComplete)
      }
      #expect(await fixture.sink.events(1).first?.decision == .allow)
    }
  }

  /// An upstream of both protocols: a connection of HTTP/2 that is there is used.
  @Test func aConnectionThatIsThereCarriesItToo() async throws {
    var options = HTTP2UpstreamTests.options(settings: Self.takesWebsockets, Self.echo)
    options.threads = 1
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.http2 { wire in
        let status = try await wire.exchange(fixture.fields("/"), 1).status
        #expect(status == 200)
      }
      try await fixture.tunnel { wire in
        try await wire.send(Self.upgrade(fixture))
        #expect(try await wire.head()?.hasPrefix("HTTP/1.1 101 ") == true)
      }
      #expect(upstream.connections == 1)
    }
  }

  @Test func anUpstreamThatTakesNone() async throws {
    try await GatewayFixture.run(HTTP2UpstreamTests.options(protocols: ["h2"], Self.echo)) { fixture, upstream in
      for _ in 0..<2 {
        let answer = try await fixture.tunnel { wire in
          try await wire.send(Self.upgrade(fixture))
          return try await wire.response()
        }
        #expect(answer?.status == 502)
        #expect(answer?.reason == "upstream_protocol_error")
      }
      #expect(upstream.requests.isEmpty)
    }
  }

  @Test func oneThatIsRefusedIsAnOrdinaryAnswer() async throws {
    let options = HTTP2UpstreamTests.options(protocols: ["h2"], settings: Self.takesWebsockets) { wire, stream, _ in
      try await wire.headers([(":status", "403"), ("content-length", "2")], stream, ends: false)
      try await wire.data("no", stream, ends: true)
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      let answer = try await fixture.tunnel { wire in
        try await wire.send(Self.upgrade(fixture))
        return try await wire.response()
      }
      #expect(answer?.status == 403)
      #expect(answer?.body == "no")
    }
  }

  @Test(arguments: [true, false])
  func anUpstreamThatEndsIt(cleanly: Bool) async throws {
    let options = HTTP2UpstreamTests.options(protocols: ["h2"], settings: Self.takesWebsockets) { wire, stream, _ in
      try await wire.headers([(":status", "200")], stream, ends: false)
      try await wire.data("last", stream, ends: cleanly)
      if !cleanly { try await wire.send(HTTP2Wire.reset, 0, stream, ByteBuffer(integer: UInt32(8))) }
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(Self.upgrade(fixture))
        #expect(try await wire.head()?.hasPrefix("HTTP/1.1 101 ") == true)
        #expect(try await wire.rest() == "last")
      }
      #expect(await fixture.sink.events(1).first?.decision == .allow)
    }
  }
}

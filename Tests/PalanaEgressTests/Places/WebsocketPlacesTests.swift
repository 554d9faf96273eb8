import NIOCore
import PalanaAudit
import PalanaCore
import PalanaPolicy
import PalanaSecrets
import Synchronization
import Testing

@testable import PalanaEgress

/// Credentials in the text messages of a websocket, over real sockets.
@Suite(.timeLimit(.minutes(10)))
struct WebsocketPlacesTests {
  private static let asks = [
    "connection: Upgrade", "upgrade: websocket", "sec-websocket-key: k", "sec-websocket-version: 13",
    "sec-websocket-extensions: permessage-deflate",
  ]
  private static let switched =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n"

  /// Switches protocols and notes each frame that comes, unmasked; answers each with `ok`.
  private static let note: Upstream.Script = { wire, upstream in
    guard let head = try await wire.head() else { return }
    upstream.note(head)
    try await wire.send(switched + "\r\n")
    var buffer = ByteBuffer()
    while var bytes = try await wire.some() {
      buffer.writeBuffer(&bytes)
      while true {
        var reader = buffer
        guard let header = try WebsocketFrame.read(&reader), let contents = reader.readBytes(length: Int(header.length)) else { break }
        buffer = reader
        var mask = header.mask.map { WebsocketMask($0) }
        upstream.note("\(header.opcode) " + String(decoding: contents.map { mask?.apply($0) ?? $0 }, as: UTF8.self))
        try await wire.send([0x81, 2] + Array("ok".utf8))
      }
    }
  }

  private func run(
    bound: Bool = true, script: @escaping Upstream.Script = note,
    _ body: @Sendable @escaping (GatewayFixture, Upstream) async throws -> Void
  ) async throws {
    var options = GatewayFixture.Options()
    options.script = script
    options.limits.bodyRewriteBytes = 4096
    try await GatewayFixture.run(options) { fixture, upstream in
      var next = GatewayFixture.Options()
      next.bindings = [try fixture.binding(places: bound ? [.websocket] : [.header("authorization")])]
      await fixture.gateway.apply(try fixture.snapshot(2, options: next))
      try await body(fixture, upstream)
      #expect(!fixture.sink.text.contains(GatewayFixture.canary))
    }
  }

  private func upgrade(_ fixture: GatewayFixture) -> String {
    "GET /ws HTTP/1.1\r\nhost: allowed.test:\(fixture.upstreamPort)\r\n" + Self.asks.map { $0 + "\r\n" }.joined() + "\r\n"
  }

  private let auth = #"{"auth":"\#(GatewayFixture.placeholder)"}"#

  @Test(arguments: [true, false])
  func messagesGetTheirCredential(isCached: Bool) async throws {
    try await run { fixture, upstream in
      fixture.secrets.state.withLock { $0.isCached = isCached }
      try await fixture.tunnel { wire in
        // The first message leaves with the request.
        try await wire.send(Array(upgrade(fixture).utf8) + WebsocketInjectorTests.frame(auth))
        #expect(try await wire.head()?.hasPrefix("HTTP/1.1 101 ") == true)
        #expect(try await wire.bytes(4) == [0x81, 2] + Array("ok".utf8))
        for byte in WebsocketInjectorTests.frame(auth) + WebsocketInjectorTests.frame("plain") { try await wire.send([byte]) }
        _ = try await wire.bytes(8)
        try await wire.send(WebsocketInjectorTests.frame(auth, opcode: 2))
        _ = try await wire.bytes(4)
      }
      let text = #"1 {"auth":"\#(GatewayFixture.canary)"}"#
      #expect(Array(upstream.requests.dropFirst()) == [text, text, "1 plain", "2 \(auth)"])
      #expect(upstream.requests.first?.contains("sec-websocket-extensions") == false)
      #expect(fixture.secrets.state.withLock { $0.fetches } == (isCached ? 0 : 2))
      #expect(await fixture.isQuiet(upstream))
      #expect(fixture.requestEvents.map(\.secrets) == [["GITHUB_PAT"]])
      #expect(fixture.requestEvents.map(\.decision) == [.allow])
    }
  }

  @Test(arguments: [
    ("TOKEN_OTHER", "secret_not_bound"), (#"{"TOKEN_GITHUB_PAT":1}"#, "placeholder_left"),
    (String(repeating: "x", count: 5000), "body_too_large"),
  ])
  func aRefusedMessageEndsTheWebsocket(text: String, reason: String) async throws {
    try await run { fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(upgrade(fixture))
        #expect(try await wire.head()?.hasPrefix("HTTP/1.1 101 ") == true)
        try await wire.send(WebsocketInjectorTests.frame("first"))
        _ = try await wire.bytes(4)
        try await wire.send(WebsocketInjectorTests.frame(text))
        // Status 1008, then the end.
        #expect(try await wire.bytes(4) == [0x88, 2, 3, 0xf0])
        #expect(try await wire.some() == nil)
      }
      #expect(await fixture.isQuiet(upstream))
      #expect(upstream.requests.dropFirst() == ["1 first"])
      #expect(fixture.requestEvents.map(\.reason) == [reason])
      #expect(fixture.requestEvents.map(\.decision) == [.deny])
    }
  }

  @Test func aStoreThatIsDownEndsTheWebsocket() async throws {
    try await run { fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(upgrade(fixture))
        #expect(try await wire.head()?.hasPrefix("HTTP/1.1 101 ") == true)
        fixture.secrets.state.withLock { $0.isDown = true }
        try await wire.send(WebsocketInjectorTests.frame(auth))
        #expect(try await wire.bytes(4) == [0x88, 2, 3, 0xf0])
      }
      #expect(await fixture.isQuiet(upstream))
      #expect(upstream.requests.count == 1)
      #expect(fixture.requestEvents.map(\.reason) == ["secret_unavailable"])
    }
  }

  @Test func aBindingThatIsTakenAwayHoldsForTheNextMessage() async throws {
    try await run { fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(Array(upgrade(fixture).utf8) + WebsocketInjectorTests.frame(auth))
        _ = try await wire.head()
        _ = try await wire.bytes(4)
        var options = GatewayFixture.Options()
        options.bindings = []
        await fixture.gateway.apply(try fixture.snapshot(3, options: options))
        try await wire.send(WebsocketInjectorTests.frame(auth))
        #expect(try await wire.bytes(4) == [0x88, 2, 3, 0xf0])
      }
      #expect(await fixture.isQuiet(upstream))
      #expect(upstream.requests.count == 2)
      #expect(fixture.requestEvents.map(\.reason) == ["secret_not_bound"])
    }
  }

  @Test func withoutTheBindingFramesPassUntouched() async throws {
    try await run(bound: false) { fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(upgrade(fixture))
        _ = try await wire.head()
        try await wire.send(WebsocketInjectorTests.frame(auth))
        _ = try await wire.bytes(4)
      }
      #expect(upstream.requests.last == "1 \(auth)")
    }
  }

  @Test func anExtensionThatNobodyAskedFor() async throws {
    let script: Upstream.Script = { wire, upstream in
      guard try await wire.head() != nil else { return }
      try await wire.send(Self.switched + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
      _ = try await wire.some()
    }
    try await run(script: script) { fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(upgrade(fixture))
        #expect(try await wire.response()?.reason == "upstream_protocol_error")
      }
    }
  }
}

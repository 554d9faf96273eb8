import Fuzzing
import NIOCore
import PalanaAudit
import PalanaSecrets
import Testing

@testable import PalanaEgress

/// Values in websocket messages: masked on the way to the agent, refused on the way out.
@Suite(.timeLimit(.minutes(10)))
struct WebsocketScrubbingTests {
  private static let value = GatewayFixture.canary

  static func frame(_ payload: some StringProtocol, opcode: UInt8 = 1, isLast: Bool = true, mask: [UInt8]? = nil) -> [UInt8] {
    let bytes = Array(payload.utf8)
    var frame: [UInt8] = [(isLast ? 0x80 : 0) | opcode]
    let bit: UInt8 = mask == nil ? 0 : 0x80
    switch bytes.count {
    case ...125: frame.append(bit | UInt8(bytes.count))
    default: frame += [bit | 126, UInt8(bytes.count >> 8), UInt8(bytes.count & 255)]
    }
    guard let mask else { return frame + bytes }
    return frame + mask + bytes.enumerated().map { $1 ^ mask[$0 & 3] }
  }

  private static func index() -> FingerprintIndex {
    let key = FingerprintKey()
    return FingerprintIndex([ValueFingerprint(Array(value.utf8), key: key)], key: key)
  }

  private static func scrubbed(_ pieces: [ArraySlice<UInt8>]) -> [UInt8] {
    var scrubber = WebsocketScrubber(index())
    var result: [UInt8] = []
    for piece in pieces { if let bytes = scrubber.pass(ByteBuffer(bytes: piece)) { result += bytes.readableBytesView } }
    if let bytes = scrubber.finish() { result += bytes.readableBytesView }
    return result
  }

  private static func stars(_ count: Int) -> String { String(repeating: "*", count: count) }

  /// Messages, and the same with the value masked.
  static let rows: [([UInt8], [UInt8])] = {
    let stars = Self.stars(value.utf8.count)
    let long = String(repeating: "x", count: 300)
    var rows = [
      (frame("a \(value) b"), frame("a \(stars) b")), (frame(value, opcode: 2), frame(stars, opcode: 2)),
      (frame(long + value + long), frame(long + stars + long)), (frame("") + frame(value), frame("") + frame(stars)),
      (frame(value, opcode: 9) + frame("x"), frame(stars, opcode: 9) + frame("x")),
      (frame(value, opcode: 8), frame(stars, opcode: 8)), (frame("only canary-7f3a9"), frame("only canary-7f3a9")),
      // Two messages are two messages.
      (frame("canary-7f3a9c-") + frame("s3cr3t-value"), frame("canary-7f3a9c-") + frame("s3cr3t-value")),
    ]
    for cut in [1, 5, 13, 25] {
      let (first, second) = (value.prefix(cut), value.dropFirst(cut))
      rows.append(
        (
          frame("<" + first, isLast: false) + frame("ping", opcode: 9) + frame("", opcode: 0, isLast: false)
            + frame(second + ">", opcode: 0),
          frame("<" + Self.stars(cut), isLast: false) + frame("ping", opcode: 9) + frame("", opcode: 0, isLast: false)
            + frame(Self.stars(value.utf8.count - cut) + ">", opcode: 0)
        ))
    }
    return rows
  }()

  @Test func framesCutAnywhere() {
    for (bytes, expected) in Self.rows {
      #expect(Self.scrubbed([bytes[...]]) == expected)
      #expect(Self.scrubbed(bytes.indices.map { bytes[$0...$0] }) == expected)
      for cut in bytes.indices { #expect(Self.scrubbed([bytes[..<cut], bytes[cut...]]) == expected) }
    }
  }

  /// A message that is complete never waits.
  @Test func aWholeMessagePassesAtOnce() {
    var scrubber = WebsocketScrubber(Self.index())
    let message = Self.frame("ends like a value: canary-7f3a")
    #expect(scrubber.pass(ByteBuffer(bytes: message)) == ByteBuffer(bytes: message))
  }

  /// What is no frame is looked through as it is; nothing is lost.
  @Test func bytesThatAreNoFrames() {
    let rows = ["early", "frame 1;", "\u{7f}\(Self.value)", "~~~~\(Self.value)"]
    for text in rows {
      let bytes = Array(text.utf8)
      let expected = Array(text.replacing(Self.value, with: Self.stars(Self.value.utf8.count)).utf8)
      #expect(Self.scrubbed([bytes[...]]) == expected)
    }
  }

  /// Whatever an upstream or an agent sends: nothing is lost, added or changed that is no value.
  @Test func anyBytesPassUnchanged() throws {
    var generator = FuzzDice(11)
    let key = FingerprintKey()
    let leaks = LeakGuard([], [ValueFingerprint(Array(Self.value.utf8), key: key)], key: key)
    for round in 0..<2_000 {
      // Bytes that often make headers, and often do not.
      let bytes = (0..<200).map { _ in
        round % 2 == 0
          ? [0x81, 0x01, 0x80, 0x02, 0x00, 0x8a, 0x85, 0x7e, 0xfe, 0x63].randomElement(using: &generator) ?? 0
          : UInt8.random(in: 0...255, using: &generator)
      }
      let cut = Int.random(in: 0...200, using: &generator)
      #expect(Self.scrubbed([bytes[..<cut], bytes[cut...]]) == bytes)
      var filter = WebsocketLeakFilter(try #require(leaks.stream(for: try GatewayFixture.idA)))
      let passed = [bytes[..<cut], bytes[cut...]].map { try? filter.pass(ByteBuffer(bytes: $0)) }
      #expect(passed == [ByteBuffer(bytes: bytes[..<cut]), ByteBuffer(bytes: bytes[cut...])])
    }
  }

  @Test func aFloodOfEmptyFramesIsBounded() {
    var scrubber = WebsocketScrubber(Self.index())
    var passed = 0
    var sent = 0
    let start = Self.frame("canary-7f3a", isLast: false)
    sent += start.count
    passed += scrubber.pass(ByteBuffer(bytes: start))?.readableBytes ?? 0
    let empty = ByteBuffer(bytes: Array(repeatElement(Self.frame("", opcode: 0, isLast: false), count: 1000).joined()))
    for _ in 0..<100 {
      sent += empty.readableBytes
      passed += scrubber.pass(empty)?.readableBytes ?? 0
      #expect(sent - passed <= 70_000)
    }
  }

  // MARK: Through the gateway

  private static let asks = ["connection: Upgrade", "upgrade: websocket", "sec-websocket-key: k", "sec-websocket-version: 13"]

  private static func upgrade(_ fixture: GatewayFixture, _ fields: String...) -> String {
    "GET /ws HTTP/1.1\r\nhost: allowed.test:\(fixture.upstreamPort)\r\n" + (asks + fields).map { $0 + "\r\n" }.joined() + "\r\n"
  }

  private static func script(_ first: [UInt8], extensions: String = "") -> Upstream.Script {
    { wire, upstream in
      guard let head = try await wire.head() else { return }
      upstream.note(head)
      try await wire.send(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\(extensions)Sec-WebSocket-Accept: x\r\n\r\n")
      try await wire.send(ByteBuffer(bytes: first))
      while let bytes = try await wire.some() { upstream.note(String(decoding: bytes.readableBytesView, as: UTF8.self)) }
    }
  }

  @Test func anEchoIsMasked() async throws {
    var options = GatewayFixture.Options()
    options.script = Self.script(Self.frame("hello \(Self.value)"))
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(
          Self.upgrade(fixture, "authorization: Bearer \(GatewayFixture.placeholder)", "sec-websocket-extensions: permessage-deflate"))
        #expect(try await wire.head()?.hasPrefix("HTTP/1.1 101 ") == true)
        let expected = Self.frame("hello \(Self.stars(Self.value.utf8.count))")
        #expect(try await wire.bytes(expected.count) == expected)
      }
      #expect(upstream.requests.first?.lowercased().contains("permessage-deflate") == false)
    }
  }

  @Test func anExtensionThatNobodyAskedForIsRefused() async throws {
    var options = GatewayFixture.Options()
    options.script = Self.script(Self.frame("x"), extensions: "Sec-WebSocket-Extensions: permessage-deflate\r\n")
    try await GatewayFixture.run(options) { fixture, _ in
      try await fixture.tunnel { wire in
        try await wire.send(Self.upgrade(fixture, "sec-websocket-extensions: permessage-deflate"))
        #expect(try await wire.response()?.status == 502)
      }
    }
  }

  @Test func aLeakEndsTheWebsocket() async throws {
    var options = GatewayFixture.Options()
    options.script = Self.script(Self.frame("x"))
    try await GatewayFixture.run(options) { fixture, upstream in
      for cut in [0, 3, 13, 25] {
        try await fixture.tunnel { wire in
          try await wire.send(Self.upgrade(fixture))
          #expect(try await wire.head()?.hasPrefix("HTTP/1.1 101 ") == true)
          #expect(try await wire.bytes(3) == Self.frame("x"))
          let bytes =
            Self.frame("<" + Self.value.prefix(cut), isLast: false, mask: [1, 2, 3, 4])
            + Self.frame(Self.value.dropFirst(cut) + ">", opcode: 0, mask: [9, 8, 7, 250])
          try await wire.send(ByteBuffer(bytes: bytes))
          _ = try await wire.rest()
        }
      }
      let events = await fixture.sink.events(4)
      #expect(events.allSatisfy { $0.reason == "secret_leak" && $0.severity == .critical && $0.details["secret"] == "GITHUB_PAT" })
      // Nothing behind the upgrade reached the upstream.
      #expect(upstream.requests.count == 4)
    }
  }
}

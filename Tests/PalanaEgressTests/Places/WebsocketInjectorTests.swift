import Fuzzing
import NIOCore
import PalanaCore
import PalanaPolicy
import PalanaSecrets
import Testing

@testable import PalanaEgress

/// Frames in, frames out, however the bytes are cut.
@Suite struct WebsocketInjectorTests {
  private static let value = "va\"l\\ue"

  /// A frame of a client.
  static func frame(_ text: String, opcode: UInt8 = 1, isLast: Bool = true, mask: UInt32? = 0x1234_5678) -> [UInt8] {
    frame(Array(text.utf8), opcode: opcode, isLast: isLast, mask: mask)
  }

  static func frame(_ bytes: [UInt8], opcode: UInt8, isLast: Bool = true, mask: UInt32? = 0x1234_5678) -> [UInt8] {
    var buffer = ByteBuffer()
    WebsocketFrame(isLast: isLast, opcode: opcode, length: UInt64(bytes.count), mask: mask).write(into: &buffer)
    var key = mask.map { WebsocketMask($0) }
    buffer.writeBytes(bytes.map { byte in key?.apply(byte) ?? byte })
    return Array(buffer: buffer)
  }

  /// The frames of bytes, unmasked: `opcode text`, with `+` behind the opcode when the message goes on.
  static func frames(_ bytes: [UInt8]) throws -> [String] {
    var buffer = ByteBuffer(bytes: bytes)
    var result: [String] = []
    while buffer.readableBytes > 0 {
      let read = try WebsocketFrame.read(&buffer)
      let header = try #require(read)
      var mask = WebsocketMask(try #require(header.mask))
      let contents = (buffer.readBytes(length: Int(header.length)) ?? []).map { mask.apply($0) }
      result.append("\(header.opcode)\(header.isLast ? "" : "+") \(String(decoding: contents, as: UTF8.self))")
    }
    return result
  }

  private func credentials() throws -> CredentialInjector {
    let probe = try PlacesProbe(places: [.websocket])
    return probe.injector
  }

  private func run(_ bytes: [UInt8], step: Int, limit: Int = 1000) throws -> [String] {
    var injector = WebsocketInjector(limit: limit)
    let credentials = try credentials()
    var input = ByteBuffer()
    var output = ByteBuffer()
    for start in stride(from: 0, to: bytes.count, by: step) {
      input.writeBytes(bytes[start..<min(bytes.count, start + step)])
      while case .needs(let bindings) = try injector.take(&input, credentials, into: &output) {
        #expect(bindings.map(\.placeholder) == ["TOKEN_KEY"])
        let names = try injector.supply([Redacted(Self.value)], into: &output)
        #expect(names == ["KEY"])
      }
    }
    return try Self.frames(Array(buffer: output))
  }

  @Test func messagesAreRewrittenHoweverTheyAreCut() throws {
    let long = String(repeating: "x", count: 300)
    let bytes =
      Self.frame(#"{"auth":"TOKEN_KEY"}"#) + Self.frame("nothing") + Self.frame("", opcode: 9)
      + Self.frame(#"{"a":"TOK"#, isLast: false) + Self.frame("ping", opcode: 9) + Self.frame("", opcode: 0, isLast: false)
      + Self.frame(#"EN_KEY"}"#, opcode: 0) + Self.frame("TOKEN_KEY", opcode: 2, isLast: false) + Self.frame("pong", opcode: 10)
      + Self.frame("rest", opcode: 0) + Self.frame(long) + Self.frame([3, 232], opcode: 8)
    let expected = [
      #"1 {"auth":"va\"l\\ue"}"#, "1 nothing", "9 ", "9 ping", #"1 {"a":"va\"l\\ue"}"#, "2+ TOKEN_KEY", "10 pong", "0 rest", "1 \(long)",
      "8 \u{3}\u{fffd}",
    ]
    for step in [1, 2, 3, 5, 7, 64, bytes.count] { #expect(try run(bytes, step: step) == expected, "\(step)") }
  }

  @Test func aMaskIsNotTheClients() throws {
    var injector = WebsocketInjector(limit: 100)
    var output = ByteBuffer()
    var seen: Set<UInt32> = []
    for _ in 0..<8 {
      var input = ByteBuffer(bytes: Self.frame("hello", mask: 0))
      _ = try injector.take(&input, credentials(), into: &output)
      let header = try WebsocketFrame.read(&output)
      seen.insert(try #require(header?.mask))
      output.clear()
    }
    #expect(seen.count == 8)
  }

  static let refusals: [(bytes: [UInt8], reason: DenialReason)] = [
    (frame("x", mask: nil), .malformedRequest), ([0xc1, 0x80], .malformedRequest), ([0xa1, 0x80], .malformedRequest),
    ([0x91, 0x80], .malformedRequest), (frame("x", opcode: 3), .malformedRequest), (frame("x", opcode: 11), .malformedRequest),
    (frame("x", opcode: 0), .malformedRequest), (frame("x", isLast: false) + frame("y"), .malformedRequest),
    (frame("x", opcode: 9, isLast: false), .malformedRequest), (frame(String(repeating: "x", count: 126), opcode: 9), .malformedRequest),
    ([0x81, 0xfe, 0, 5], .malformedRequest), ([0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff], .malformedRequest),
    ([0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], .malformedRequest), (frame(String(repeating: "x", count: 1001)), .bodyTooLarge),
    (frame(String(repeating: "x", count: 600), isLast: false) + frame(String(repeating: "x", count: 600), opcode: 0), .bodyTooLarge),
    ([0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4], .bodyTooLarge),
    (frame("TOKEN_OTHER"), .secretNotBound), (frame(#"{"TOKEN_KEY":1}"#), .placeholderLeft), (frame("%54OKEN_KEY"), .placeholderLeft),
    (frame(#"{"a":"%54OKEN_KEY"}"#), .placeholderLeft), (frame(#"{"a":"TOKEN_KEY","a":1}"#), .secretUnavailable),
    (frame("TOKEN_KEY"), .secretUnavailable), (frame(Array("TOKEN_KEY".utf8) + [0xff], opcode: 1), .malformedRequest),
  ]

  @Test(arguments: refusals)
  func refused(bytes: [UInt8], reason: DenialReason) throws {
    for step in [1, bytes.count] {
      do {
        let frames = try run(bytes, step: step)
        Issue.record("passed: \(frames)")
      } catch let refusal as Refusal {
        #expect(refusal.reason == reason, "\(refusal.explanation)")
      }
    }
  }

  @Test func anyBytes() throws {
    var dice = FuzzTests.Dice(11)
    let seed = Self.frame(#"{"a":"TOKEN_KEY"}"#) + Self.frame("a", isLast: false) + Self.frame("b", opcode: 9) + Self.frame("c", opcode: 0)
    for _ in 0..<3000 {
      var bytes = seed
      for _ in 0..<Int.random(in: 1...4, using: &dice) {
        bytes[Int.random(in: 0..<bytes.count, using: &dice)] = UInt8.random(in: 0...255, using: &dice)
      }
      let whole = outcome(bytes, step: bytes.count)
      #expect(outcome(bytes, step: 1) == whole)
      // No placeholder leaves in a text message.
      #expect(!whole.contains("1 {\"a\":\"TOKEN_KEY"))
    }
  }

  private func outcome(_ bytes: [UInt8], step: Int) -> String {
    var injector = WebsocketInjector(limit: 1000)
    var input = ByteBuffer()
    var output = ByteBuffer()
    do {
      let credentials = try credentials()
      for start in stride(from: 0, to: bytes.count, by: step) {
        input.writeBytes(bytes[start..<min(bytes.count, start + step)])
        while case .needs = try injector.take(&input, credentials, into: &output) {
          _ = try injector.supply([Redacted(Self.value)], into: &output)
        }
      }
    } catch { return "refused" }
    var buffer = output
    var text = ""
    while let header = try? WebsocketFrame.read(&buffer) {
      guard let mask = header.mask, let contents = buffer.readBytes(length: Int(header.length)) else { break }
      var key = WebsocketMask(mask)
      text += "\(header.opcode) \(String(decoding: contents.map { key.apply($0) }, as: UTF8.self));"
    }
    return text
  }
}

import Fuzzing
import NIOCore
import PalanaCore
import PalanaPolicy
import Testing

@testable import PalanaEgress

/// The resolver's parser, which reads bytes of agents.
struct DNSQuestionTests {
  /// A message with one question, and whatever follows it.
  static func message(
    _ labels: [String], type: UInt16 = 1, kind: UInt16 = 1, flags: UInt16 = 0x0100, counts: [UInt16] = [1, 0, 0, 0],
    after: [UInt8] = []
  ) -> [UInt8] {
    var bytes: [UInt8] = [0x12, 0x34, UInt8(flags >> 8), UInt8(flags & 255)]
    for count in counts { bytes += [UInt8(count >> 8), UInt8(count & 255)] }
    for label in labels { bytes += [UInt8(label.utf8.count)] + Array(label.utf8) }
    return bytes + [0, UInt8(type >> 8), UInt8(type & 255), UInt8(kind >> 8), UInt8(kind & 255)] + after
  }

  static let opt: [UInt8] = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]

  @Test func aQuestionIsReadAsItIs() throws {
    let bytes = Self.message(["aPi", "GitHub", "com"], counts: [1, 0, 0, 1], after: Self.opt)
    guard case .question(let question) = DNSQuestion.read(ByteBuffer(bytes: bytes)) else {
      Issue.record("refused")
      return
    }
    #expect(question.host?.description == "api.github.com")
    #expect(question.id == 0x1234 && question.flags == 0x0100 && question.type == 1 && question.isInternet && question.hasEDNS)
    // The capitals come back as they were sent (0x20).
    #expect(question.section == Array(bytes[12..<(bytes.count - Self.opt.count)]))
  }

  private static let refused: [(String, [UInt8], DNSCode)] = [
    ("two questions", message(["a"], counts: [2, 0, 0, 0], after: message(["b"])[12...] + []), .formatError),
    ("no question", message(["a"], counts: [0, 0, 0, 0]), .formatError),
    ("an answer in it", message(["a"], counts: [1, 1, 0, 0]), .formatError),
    ("an authority in it", message(["a"], counts: [1, 0, 1, 0]), .formatError),
    ("two additional records", message(["a"], counts: [1, 0, 0, 2], after: opt + opt), .formatError),
    ("truncated", message(["a"], flags: 0x0300), .formatError),
    ("bytes after it", message(["a"], after: [0]), .formatError),
    ("another record than OPT", message(["a"], counts: [1, 0, 0, 1], after: [0, 0, 250] + opt[3...]), .formatError),
    ("a named OPT", message(["a"], counts: [1, 0, 0, 1], after: [1, 97] + opt), .formatError),
    ("a missing OPT", message(["a"], counts: [1, 0, 0, 1]), .formatError),
    ("a broken option", message(["a"], counts: [1, 0, 0, 1], after: opt[..<10] + [3, 0, 10, 0]), .formatError),
    ("an option that is too long", message(["a"], counts: [1, 0, 0, 1], after: opt[..<10] + [4, 0, 10, 0, 9]), .formatError),
    ("version 1", message(["a"], counts: [1, 0, 0, 1], after: [0, 0, 41, 4, 208, 0, 1, 0, 0, 0, 0]), .badVersion),
    ("an update", message(["a"], flags: 0x2800), .notImplemented),
    ("a status question", message(["a"], flags: 0x1000), .notImplemented),
    ("a pointer", Array(message([])[..<12]) + [0xc0, 12, 0, 1, 0, 1], .formatError),
    ("a pointer after a label", Array(message([])[..<12]) + [1, 97, 0xc0, 12, 0, 1, 0, 1], .formatError),
    ("a label of 64 bytes", message([String(repeating: "a", count: 64)]), .formatError),
    ("a name of 256 bytes", message([String](repeating: String(repeating: "a", count: 63), count: 4)), .formatError),
    ("no type", Array(message(["a"]).dropLast(4)), .formatError),
    ("half a label", Array(message([])[..<12]) + [9, 97, 97], .formatError),
  ]

  @Test(arguments: refused.map(\.0))
  func whatIsNotOneQuestionIsRefused(_ name: String) throws {
    let (_, bytes, code) = try #require(Self.refused.first { $0.0 == name })
    guard case .refused(let question, code) = DNSQuestion.read(ByteBuffer(bytes: bytes)) else {
      Issue.record("\(DNSQuestion.read(ByteBuffer(bytes: bytes)))")
      return
    }
    #expect(question.id == 0x1234)
    // The answer can be read by any client: it repeats a question only where there was a whole one.
    let reply = DNSReply(code: code).write(to: question)
    #expect(reply.getInteger(at: 4, as: UInt16.self) == (question.section.isEmpty ? 0 : 1))
  }

  @Test(arguments: [[], [0x12], DNSQuestionTests.message(["a"], flags: 0x8100), [UInt8](repeating: 0, count: 5000)])
  func whatIsNoQuestionHasNoAnswer(_ bytes: [UInt8]) {
    #expect(DNSQuestion.read(ByteBuffer(bytes: bytes)) == .ignored)
  }

  @Test(arguments: [["a.b", "test"], ["a b"], ["-a", "test"], ["\u{e4}"], ["a\u{0}"], ["127", "1"], [], ["a", "%2e"]])
  func whatIsNoHostHasNoName(_ labels: [String]) {
    guard case .question(let question) = DNSQuestion.read(ByteBuffer(bytes: Self.message(labels))) else {
      Issue.record("refused")
      return
    }
    #expect(question.host == nil)
  }

  /// Any bytes get one of the answers, and no answer is longer than a plain datagram.
  @Test func questionsOfAnyBytes() throws {
    var dice = FuzzTests.Dice(53)
    let seeds = [
      Self.message(["api", "allowed", "test"], counts: [1, 0, 0, 1], after: Self.opt[..<10] + [8, 0, 10, 0, 4, 1, 2, 3, 4]),
      Self.message([String](repeating: "abcdefghijklmnopqrstuvwxyz", count: 9), type: 12),
      Self.message(["5", "0", "18", "198", "in-addr", "arpa"], type: 12),
    ]
    let host = try CanonicalHost.parse(String(repeating: "a", count: 60) + ".test")
    for _ in 0..<20_000 {
      var bytes = seeds.randomElement(using: &dice) ?? []
      for _ in 0..<Int.random(in: 1...4, using: &dice) {
        let place = Int.random(in: 0..<bytes.count, using: &dice)
        switch Int.random(in: 0..<4, using: &dice) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &dice)
        case 1: bytes.insert(UInt8.random(in: 0...255, using: &dice), at: place)
        case 2: bytes.removeSubrange(place..<min(bytes.count, place + 3))
        default: bytes = Array(bytes[..<place]) + [0xc0, UInt8.random(in: 0...255, using: &dice)] + bytes[place...]
        }
        if bytes.isEmpty { bytes = [0] }
      }
      let question: DNSQuestion
      switch DNSQuestion.read(ByteBuffer(bytes: bytes)) {
      case .ignored: continue
      case .refused(let some, _), .question(let some): question = some
      }
      for reply in [
        DNSReply(code: .noSuchName, denial: .policyUnavailable), DNSReply(record: .address(1)), DNSReply(record: .pointer(host)),
      ] { #expect(reply.write(to: question).readableBytes <= 512) }
    }
  }
}

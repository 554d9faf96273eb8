import Foundation
import PalanaAudit
import PalanaCore
import Testing

@Suite struct EncoderTests {
  private func event(path: String? = nil, host: String? = nil, details: [String: String] = [:]) -> AuditEvent {
    AuditEvent(
      time: Timestamp(seconds: 0), component: .egress, action: "request", decision: .allow,
      request: .init(id: "r", host: host, path: path), details: details)
  }

  /// Recorded by PALANA_RECORD_GOLDEN=1, which makes this test fail; read the difference before committing it.
  @Test func theWrittenFormIsStable() throws {
    let events = [
      try fullEvent(),
      AuditEvent(time: Timestamp(seconds: 0), component: .kill, action: "kill", decision: .info),
      AuditEvent(
        time: Timestamp(microseconds: 1_795_222_115_120_034), component: .secrets, action: "rotate", decision: .allow,
        agent: try agentRef("a", owner: "ünal@example.com"), actor: try UserIdentity("root"), secrets: ["A"],
        details: ["revision": "2"]),
      event(path: "/\n\"\\\u{1b}[31m\u{7f}\u{9b}\u{2028}\u{202e}é日😀\u{0}"),
    ]
    let written = events.map { text(encoded($0)) + "\n" }.joined()
    let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Golden/PalanaAudit/events.jsonl")
    if ProcessInfo.processInfo.environment["PALANA_RECORD_GOLDEN"] == "1" {
      try FileManager.default.createDirectory(
        at: golden.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(written.utf8).write(to: golden)
      Issue.record("the golden file was recorded")
    }
    #expect(try String(decoding: Data(contentsOf: golden), as: UTF8.self) == written)
  }

  @Test func itIsTheFormThatCodableReads() throws {
    for event in [try fullEvent(), event(path: "/\u{1b}\n\u{2028}", host: "a")] {
      #expect(try JSONDecoder().decode(AuditEvent.self, from: Data(encoded(event))) == event)
      // And the other way: what a general encoder writes is the same JSON.
      let general = try JSONValue(parsing: Array(JSONEncoder().encode(event)))
      #expect(try general == JSONValue(parsing: encoded(event)))
    }
  }

  @Test func encodingADecodedLineGivesTheSameBytes() throws {
    var generator = SystemRandomNumberGenerator()
    for length in [0, 1, 100, 2000, 2047, 2048, 2049, 5000] {
      let scalars = (0..<length).compactMap { _ in Unicode.Scalar(UInt32.random(in: 0...0x2fff, using: &generator)) }
      let path = String(String.UnicodeScalarView(scalars))
      let first = encoded(event(path: path, details: [path: path, "b": "c"]))
      let decoded = try JSONDecoder().decode(AuditEvent.self, from: Data(first))
      #expect(encoded(decoded) == first)
      #expect(!first.contains(10))
    }
  }

  @Test func aMegabyteOfPathBecomesABoundedFieldWithAMark() throws {
    let line = encoded(event(path: "/" + String(repeating: "é", count: 1 << 20)))
    #expect(line.count < 3000)
    let path = try #require(try JSONValue(parsing: line)["request"]?["path"]?.string)
    #expect(path.utf8.count <= AuditEncoder.Bound.path)
    #expect(path.hasSuffix("…(2097153 bytes)"))
  }

  @Test func listsAreBounded() throws {
    var event = event(details: Dictionary(uniqueKeysWithValues: (0..<100).map { ("k\($0)", "v") }))
    event.secrets = (0..<100).map { "S\($0)" }
    let value = try JSONValue(parsing: encoded(event))
    #expect(value["secrets"]?.array?.count == AuditEncoder.Bound.secrets)
    #expect(value["details"]?.object?.count == AuditEncoder.Bound.details)
  }

  @Test func invalidUTF8NeverReachesTheLine() throws {
    let line = encoded(event(path: String(decoding: [0x2f, 0xff, 0xc3, 0x28, 0xed, 0xa0, 0x80], as: UTF8.self)))
    #expect(String(validating: line, as: UTF8.self) != nil)
    #expect(throws: Never.self) { try JSONValue(parsing: line) }
  }

  @Test(arguments: [
    (0, "0"), (1, "1"), (12.345, "12.345"), (12.3, "12.3"), (12.03, "12.03"), (0.001, "0.001"), (0.0004, "0"),
    (-5, "0"),
    (1e300, "1000000000000"), (.nan, "0"), (.infinity, "1000000000000"), (1.9999, "2"),
  ])
  func durations(_ value: Double, _ written: String) throws {
    var event = event()
    event.durationMs = value
    #expect(text(encoded(event)).contains("\"durationMs\":\(written),"))
  }

  @Test(arguments: [Int64.min, -1, 0, 9, 10, 1_234_567, Int64.max])
  func integers(_ value: Int64) throws {
    var event = event()
    event.bytesSent = value
    #expect(text(encoded(event)).contains("\"bytesSent\":\(value),"))
  }
}

@Suite struct AuditLineTests {
  private static func line(_ bytes: [UInt8]) -> AuditLine? { AuditLine(parsing: bytes.span) }

  @Test func theSearchColumnsComeFromTheLine() throws {
    var event = try fullEvent()
    event.actor = try UserIdentity("o\"brien\\x")
    let bytes = encoded(event)
    let line = try #require(Self.line(bytes))
    #expect(line.time == event.time)
    func text(_ text: AuditLine.Text?) -> String? { text.map { String(decoding: $0.bytes(in: bytes.span), as: UTF8.self) } }
    #expect(text(line.component) == "egress")
    #expect(text(line.decision) == "deny")
    #expect(text(line.severity) == "critical")
    #expect(text(line.agentID) == event.agent?.id.text)
    #expect(text(line.agentName) == "demo")
    #expect(text(line.owner) == "alice@example.com")
    #expect(text(line.actor) == "o\"brien\\x")
    #expect(text(line.host) == "api.github.com")
  }

  @Test func nothingButAWholeEventIsALine() throws {
    let whole = encoded(try fullEvent())
    for end in 0..<whole.count { #expect(Self.line(Array(whole[..<end])) == nil) }
    for text in ["", "{}", "[]", "x", "{\"time\":\"x\",\"component\":\"egress\",\"decision\":\"allow\"}"] {
      #expect(Self.line(Array(text.utf8)) == nil)
    }
    #expect(Self.line(whole + [32]) == nil)
    #expect(Self.line(whole + whole) == nil)
  }

  @Test func noBytesMakeItFail() throws {
    let whole = encoded(try fullEvent())
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<3000 {
      var bytes = whole
      for _ in 0..<3 {
        bytes[Int.random(in: bytes.indices, using: &generator)] = UInt8.random(in: .min ... .max, using: &generator)
      }
      if let line = AuditLine(parsing: bytes.span) {
        for text in [line.severity, line.agentID, line.agentName, line.owner, line.actor, line.host] { _ = text?.bytes(in: bytes.span) }
      }
    }
  }
}

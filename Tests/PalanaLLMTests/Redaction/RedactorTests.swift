import Foundation
import Fuzzing
import NIOCore
import PalanaCore
import Testing

@testable import PalanaLLM

/// What patterns find in prompts does not go to a model.
struct RedactorTests {
  static let email = #"[\w.+-]+@[\w-]+(\.[\w-]+)+"#
  static let card = #"\b(?:\d[ -]?){15}\d\b"#

  static func redactor(limit: TimeAmount = .seconds(60)) throws -> Redactor {
    Redactor([try RedactionPattern(name: "email", pattern: email), try RedactionPattern(name: "card", pattern: card)], limit: limit)
  }

  static func body(_ content: String) -> String { #"{"model":"gpt-4o","messages":[{"role":"user","content":\#(content)}],"n":1}"# }

  struct Case: Sendable, CustomTestStringConvertible {
    var before: String
    var after: String
    var counts: [String: Int] = [:]
    var testDescription: String { before }
  }

  @Test(arguments: [
    Case(before: #""hello""#, after: #""hello""#), Case(before: #""""#, after: #""""#), Case(before: "[]", after: "[]"),
    Case(
      before: #""write to alice@example.com and bob@example.org""#, after: #""write to [REDACTED:email] and [REDACTED:email]""#,
      counts: ["email": 2]),
    Case(before: #""4111 1111 1111 1111""#, after: #""[REDACTED:card]""#, counts: ["card": 1]),
    Case(
      before: #"[{"type":"text","text":"a@b.cd"},{"type":"text","text":"4111111111111111"}]"#,
      after: #"[{"type":"text","text":"[REDACTED:email]"},{"type":"text","text":"[REDACTED:card]"}]"#,
      counts: ["email": 1, "card": 1]),
    // However it is written: the model reads it without the escapes.
    Case(before: #""\u0061lice\u0040example.com\n\"x\"""#, after: #""[REDACTED:email]\n\"x\"""#, counts: ["email": 1]),
    // Names stay, and so does what is no text.
    Case(before: #"{"a@b.cd":4111111111111111}"#, after: #"{"a@b.cd":4111111111111111}"#),
    Case(before: #""ü€ alice@example.com €""#, after: #""ü€ [REDACTED:email] €""#, counts: ["email": 1]),
  ])
  func textsAreCleaned(_ example: Case) throws {
    let body = ByteBuffer(string: Self.body(example.before))
    let scan = try RequestScan(body, dialect: .openAIChat)
    let redacted = try Self.redactor().redact(body, model: scan.model)
    #expect((redacted.map { String(buffer: $0.body) } ?? Self.body(example.before)) == Self.body(example.after))
    #expect(redacted?.counts ?? [:] == example.counts)
    if let redacted { #expect(throws: Never.self) { try RequestScan(redacted.body, dialect: .openAIChat) } }
  }

  @Test(arguments: [
    ("email", "(", "missing )"), ("email", #"(a)\1"#, "invalid escape"), ("email", "", "1 to 4096"), ("Email", "a", "name"),
    ("", "a", "name"), ("a b", "a", "name"),
  ])
  func wrongPatternsAreRefused(_ name: String, _ pattern: String, _ says: String) {
    let error = #expect(throws: PalanaError.self) { try RedactionPattern(name: name, pattern: pattern) }
    #expect(error?.code == .invalid)
    #expect(error?.message.contains(says) == true, "\(error?.message ?? "")")
  }

  @Test func whatFitsNothingTakesNothing() throws {
    let pattern = try RedactionPattern(name: "stars", pattern: "x*")
    let ranges = try pattern.ranges(in: Array("aüxxbx".utf8), before: .distantFuture)
    #expect(ranges == [3..<5, 6..<7])
  }

  /// The model's name is an address: redacted, it would be another model.
  @Test func theModelStays() throws {
    let body = ByteBuffer(string: #"{"model":"a@b.cd","messages":[]}"#)
    let scan = try RequestScan(body, dialect: .openAIChat)
    #expect(try Self.redactor().redact(body, model: scan.model) == nil)
  }

  /// What cannot be looked through in its time is not let out.
  @Test func noTimeIsNoPermission() throws {
    let body = ByteBuffer(string: Self.body(#""hello""#))
    let redactor = try Self.redactor(limit: .nanoseconds(-1))
    #expect(throws: RedactionPattern.TooLong(name: "email")) { try redactor.redact(body, model: 0..<0) }
  }

  /// Random texts: JSON stays JSON, and nothing that a pattern finds is left.
  @Test func whateverItIsItStaysJSON() async throws {
    var dice = FuzzDice(11)
    let parts = ["a@b.cd", "\\n", "\\u00e9", "4111111111111111", "x", "\\\"", " ", "\\ud83d\\ude00", "é", "@", ".", "[REDACTED:", "1"]
    let redactor = try Self.redactor()
    for round in 0..<400 {
      if round % 50 == 0 { await Task.yield() }
      let text = (0..<12).map { _ in parts.randomElement(using: &dice) ?? "" }.joined()
      let body = ByteBuffer(string: Self.body("\"\(text)\""))
      let scan = try RequestScan(body, dialect: .openAIChat)
      guard let redacted = try redactor.redact(body, model: scan.model) else { continue }
      let value = try JSONValue(parsing: redacted.body.readableBytesView)
      let content = Array((value["messages"]?[0]?["content"]?.string ?? "").utf8)
      for pattern in [try RedactionPattern(name: "card", pattern: Self.card)] {
        #expect(try pattern.ranges(in: content, before: .distantFuture).isEmpty, "\(text)")
      }
    }
  }
}

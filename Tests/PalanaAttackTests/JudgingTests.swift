import PalanaControlAPI
import Testing

@testable import PalanaAttack

/// What an observation means for an expectation.
@Suite struct JudgingTests {
  private static func http(_ status: Int, _ body: String = "", times: Int = 1) -> Observation {
    let one = "HTTP/1.1 \(status) Word\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)"
    return .answered(Array(String(repeating: one, count: times).utf8))
  }

  private static let own = #"{"error":"egress_denied","reason":"address_not_allowed"}"#
  private static let alert: Observation = .answered([21, 3, 3, 0, 2, 2, 49])
  private static let hello: Observation = .answered([22, 3, 3, 0, 4, 2, 0, 0, 0])
  private static let settings: Observation = .answered([0, 0, 0, 4, 0, 0, 0, 0, 0])

  static let table: [(Expectation, Observation, Bool)] = [
    (.refused, .closed, true), (.refused, .noConnection("x"), true), (.refused, .silent(isConnected: true), false),
    (.refused, http(403), true), (.refused, http(200), false), (.refused, http(101), false), (.refused, http(302), false),
    (.refused, http(429), true), (.refused, http(403, times: 2), true), (.refused, alert, true), (.refused, hello, false),
    (.refused, settings, false), (.refused, .answered(Array("SSH-2.0-x\r\n".utf8)), false),
    (.refusedOnce, http(403), true), (.refusedOnce, http(403, times: 2), false),
    (.malformed, http(400), true), (.malformed, http(403), false), (.malformed, http(431), true), (.malformed, http(400, times: 2), false),
    (.malformed, .closed, true), (.malformed, http(502), false),
    (.unproven, http(407), true), (.unproven, http(403), false), (.unproven, http(400), true), (.unproven, http(200), false),
    (.noHandshake, hello, false), (.noHandshake, alert, true), (.noHandshake, .closed, true), (.noHandshake, http(400), true),
    (.nobody, .closed, true), (.nobody, .noConnection("refused"), true), (.nobody, http(403, own), true), (.nobody, http(403), false),
    (.nobody, http(200, own), false), (.nobody, http(404, "not found"), false), (.nobody, .silent(isConnected: true), false),
    (.nobody, .silent(isConnected: false), true),
    (.silence, .silent(isConnected: false), true), (.silence, .answered([1]), false), (.silence, .noConnection("refused"), true),
    (.noRecord, .answered([0x70, 0x61, 0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0]), true),
    (.noRecord, .answered([0x70, 0x61, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]), false),
    (.noRecord, .answered([0, 12, 0x70, 0x61, 0x81, 0x80, 0, 1, 1, 0, 0, 0, 0, 0]), false),
    (.noRecord, .answered([0, 12, 0x70, 0x61, 0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0]), true), (.noRecord, .answered([1, 2, 3]), false),
    (.noRecord, .silent(isConnected: false), true),
  ]

  @Test(arguments: table.indices) func asWritten(_ index: Int) {
    let (expectation, observation, holds) = Self.table[index]
    #expect(expectation.holds(observation) == holds, "\(expectation) \(observation.words)")
  }

  @Test func answersAreCountedAsTheyAre() {
    #expect(HTTPAnswers([]).all.isEmpty)
    #expect(HTTPAnswers(Array("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 No\r\ncontent-length: 1\r\n\r\nx".utf8)).all.map(\.status) == [403])
    // Without a length, everything is its body; a cut head is an answer too.
    #expect(HTTPAnswers(Array("HTTP/1.1 403 No\r\n\r\nHTTP/1.1 200 OK\r\n\r\n".utf8)).all.count == 1)
    #expect(HTTPAnswers(Array("HTTP/1.1 403 No\r\ncontent-le".utf8)).all.map(\.status) == [403])
    #expect(HTTPAnswers(Array("HTTP/1.1 403 No\r\ncontent-length: -5\r\n\r\nrest".utf8)).hasOther)
    #expect(HTTPAnswers(Array("HTTP/1.1 403 No\r\ncontent-length: 99999999999999999999\r\n\r\nrest".utf8)).all.count == 1)
    #expect(HTTPAnswers(Array("HTTP/1.1 9x3 No\r\n\r\n".utf8)).all.isEmpty)
  }

  @Test func whatIsShownIsShortAndPlain() {
    #expect(Observation.answered(Array("HTTP/1.1 200 OK\r\nset-cookie: secret\r\n\r\n".utf8)).words == "HTTP/1.1 200 OK (39 bytes)")
    #expect(Observation.answered([22, 3, 3, 0]).words == "16 03 03 00 (4 bytes)")
    #expect(Observation.answered(Array("\u{1b}[2J".utf8)).words == "1b 5b 32 4a (4 bytes)")
  }

  /// Hostile answers: whatever comes, the reader ends, and keeps within what came.
  @Test func readsAnythingToItsEnd() async {
    var generator = SplitMix(seed: 7)
    let seeds = ["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", "HTTP/1.0 403 \r\n\r\n", "\r\n\r\n", "HTTP/1."].map { Array($0.utf8) }
    for round in 0..<2000 {
      var bytes = (seeds.randomElement(using: &generator) ?? []) + (seeds.randomElement(using: &generator) ?? [])
      for _ in 0..<Int.random(in: 0...6, using: &generator) where !bytes.isEmpty {
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: .min ... .max, using: &generator)
      }
      let answers = HTTPAnswers(bytes)
      #expect(answers.all.reduce(0) { $0 + $1.body.count } <= bytes.count)
      _ = DNSQuestion.records(bytes)
      if round % 100 == 0 { await Task.yield() }
    }
  }
}

/// The same numbers every time.
private struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
    return value ^ value >> 31
  }
}

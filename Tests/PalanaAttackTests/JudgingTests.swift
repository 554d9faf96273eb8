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
  private static let kept: Observation = .silent(isConnected: true)
  private static let nothing: Observation = .silent(isConnected: false)
  private static let gone: Observation = .noConnection("Connection refused")
  private static let ssh: Observation = .answered(Array("SSH-2.0-x\r\n".utf8))

  /// An answer of DNS with so many records.
  private static func dns(_ records: UInt8, framed: Bool = false) -> Observation {
    let bytes: [UInt8] = [0x70, 0x61, 0x81, 0x80, 0, 1, 0, records, 0, 0, 0, 0]
    return .answered(framed ? DNSQuestion.framed(bytes) : bytes)
  }

  /// What holds, and what is broken.
  struct Row: Sendable {
    var expectation: AttackExpectation
    var holds: [Observation]
    var broken: [Observation]
  }

  static let rows: [Row] = [
    Row(
      expectation: .refused, holds: [.closed, gone, nothing, http(403), http(429), http(403, times: 2), alert],
      broken: [kept, http(200), http(101), http(302), hello, settings, ssh]),
    Row(expectation: .refusedOnce, holds: [http(403), .closed], broken: [http(403, times: 2), http(200)]),
    Row(
      expectation: .malformed, holds: [http(400), http(431), http(429), .closed],
      broken: [http(403), http(400, times: 2), http(502), http(200), kept]),
    Row(expectation: .unproven, holds: [http(407), http(400), .closed], broken: [http(403), http(200), kept]),
    Row(expectation: .noHandshake, holds: [alert, .closed, gone, http(400)], broken: [hello, http(200), ssh, kept]),
    Row(
      expectation: .nobody, holds: [.closed, gone, nothing, http(403, own)],
      broken: [http(403), http(200, own), http(404, "not found"), kept, ssh]),
    Row(expectation: .silence, holds: [nothing, gone], broken: [.answered([1])]),
    Row(
      expectation: .noRecord, holds: [dns(0), dns(0, framed: true), nothing, http(400, own)],
      broken: [dns(1), dns(1, framed: true), .answered([1, 2, 3])]),
  ]

  @Test func everyExpectationHoldsAndBreaks() {
    for row in Self.rows {
      for one in row.holds { #expect(row.expectation.holds(one), "\(row.expectation): \(one.words)") }
      for one in row.broken { #expect(!row.expectation.holds(one), "\(row.expectation): \(one.words)") }
    }
  }

  @Test func answersAreCountedAsTheyAre() {
    #expect(HTTPAnswers([]).all.isEmpty)
    #expect(
      HTTPAnswers(Array("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 No\r\ncontent-length: 1\r\n\r\nx".utf8)).all.map(\.status) == [403])
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

import GRDB
import PalanaAPI
import PalanaCore

/// What came together in one hour in one turn, before it is added to the row of the hour.
struct LLMHour: Sendable {
  struct Key: Hashable, Sendable {
    /// Its first moment, in microseconds.
    var hour: Int64
    var call: LLMCallKey
    var investigation: String
  }

  var calls: Int64 = 0
  var errors: Int64 = 0
  var interrupted: Int64 = 0
  var refused: Int64 = 0
  var usage = TokenUsage()
  var cost = Cost.zero
  var unknownPrice: Int64 = 0
  var latency = LLMLatency()
  var firstToken = LLMLatency()

  mutating func add(_ call: LLMEndedCall) {
    calls += 1
    if call.outcome == .error { errors += 1 }
    if call.outcome == .interrupted { interrupted += 1 }
    usage = usage + call.usage
    cost = cost + call.cost
    if !call.isPriceKnown { unknownPrice += 1 }
    if let time = call.latency { latency.add(microseconds: time) }
    if let time = call.timeToFirstToken { firstToken.add(microseconds: time) }
  }

  /// In the order of `LLMSchema.sums` and then `maxima`.
  var columns: [any DatabaseValueConvertible] {
    [
      calls, errors, interrupted, refused, usage.input, usage.cachedInput, usage.cacheWrite, usage.output, usage.reasoning,
      cost.nanoDollars, unknownPrice, latency.sumMicroseconds, firstToken.sumMicroseconds,
    ] + Self.buckets(latency) + Self.buckets(firstToken) + [latency.maxMicroseconds, firstToken.maxMicroseconds]
  }

  private static func buckets(_ time: LLMLatency) -> [Int64] {
    (0..<LLMSchema.buckets).map { time.counts.indices.contains($0) ? time.counts[$0] : 0 }
  }

  static let insert: String = {
    let columns = ["hour"] + LLMSchema.who + ["investigation"] + LLMSchema.sums + LLMSchema.maxima
    // Sums end at a number that SQLite can still add to.
    let sums = LLMSchema.sums.map { "\($0) = min(\($0) + excluded.\($0), 1000000000000000000)" }
    let maxima = LLMSchema.maxima.map { "\($0) = max(\($0), excluded.\($0))" }
    return """
      INSERT INTO usage_hour (\(columns.joined(separator: ", "))) VALUES (\(columns.map { _ in "?" }.joined(separator: ", ")))
      ON CONFLICT DO UPDATE SET \((sums + maxima).joined(separator: ", "))
      """
  }()
}

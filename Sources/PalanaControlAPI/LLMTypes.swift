package import PalanaAPI
package import PalanaCore

/// What was used of language models.
package struct LLMUsageReport: Codable, Hashable, Sendable {
  /// What an item is: `agent`, `owner`, `model`, `route`, `template`, `investigation`, `day` or `hour`.
  package var by: LLMUsageQuery.Grouping
  package var items: [LLMUsageItem]

  package init(by: LLMUsageQuery.Grouping, items: [LLMUsageItem]) {
    self.by = by
    self.items = items
  }
}

/// One agent, owner, model, …, day or hour.
package struct LLMUsageItem: Codable, Hashable, Sendable {
  /// A name, a raw identity, or a day (`2026-11-27`) or hour (RFC 3339). Empty: none.
  package var key: String
  /// By agent only.
  package var agentID: String?
  /// By agent only: raw identity.
  package var owner: String?
  /// Calls that went out.
  package var calls: Int64
  /// Of these, those that ended with an error of the provider or on the way to it.
  package var errors: Int64
  /// Of these, those during which the daemon died; they are charged at what was reserved for them.
  package var interrupted: Int64
  /// Calls that did not go out: over budget, or stopped by a guard.
  package var refused: Int64
  package var tokens: TokenUsage
  /// In US dollars.
  package var cost: DollarAmount
  /// Whether every price was known; otherwise ``cost`` has the price for unknown models in it.
  package var isPriceKnown: Bool
  /// From the request to the end of the answer.
  package var latencyMs: LLMTimes?
  /// From the request to the first token, of answers that came as a stream.
  package var timeToFirstTokenMs: LLMTimes?

  package init(_ row: LLMUsageRow) {
    key = row.key
    agentID = row.agentID
    owner = row.owner
    calls = row.calls
    errors = row.errors
    interrupted = row.interrupted
    refused = row.refused
    tokens = row.tokens
    cost = DollarAmount(row.cost)
    isPriceKnown = row.isPriceKnown
    latencyMs = LLMTimes(row.latency)
    timeToFirstTokenMs = LLMTimes(row.timeToFirstToken)
  }
}

/// Times of many calls in milliseconds. Percentiles are as exact as their histogram: its bounds are those of the metrics.
package struct LLMTimes: Codable, Hashable, Sendable {
  package var mean: Double
  package var p50: Double
  package var p95: Double
  package var max: Double

  /// - Returns: nil without calls.
  package init?(_ latency: LLMLatency) {
    guard let mean = latency.meanMs, let p50 = latency.percentileMs(0.5), let p95 = latency.percentileMs(0.95) else { return nil }
    func rounded(_ value: Double) -> Double { (value * 10).rounded() / 10 }
    self.mean = rounded(mean)
    self.p50 = rounded(p50)
    self.p95 = rounded(p95)
    max = rounded(Double(latency.maxMicroseconds) / 1000)
  }
}

/// The newest calls, oldest first.
package struct LLMCallList: Codable, Hashable, Sendable {
  package var items: [LLMCallItem]

  package init(items: [LLMCallItem]) { self.items = items }
}

/// One call of a model that went out.
package struct LLMCallItem: Codable, Hashable, Sendable {
  package var time: Timestamp
  package var agent: String
  package var agentID: String
  /// Raw identity.
  package var owner: String
  package var route: String
  package var model: String
  package var investigation: String?
  package var outcome: LLMOutcome
  package var tokens: TokenUsage
  /// In US dollars.
  package var cost: DollarAmount
  package var isPriceKnown: Bool
  /// Absent: the call was interrupted.
  package var latencyMs: Double?
  /// Absent: there was no token, or the answer did not come as a stream.
  package var timeToFirstTokenMs: Double?

  package init(_ row: LLMCallRow) {
    time = row.time
    agent = row.agent
    agentID = row.agentID
    owner = row.owner
    route = row.route
    model = row.model
    investigation = row.investigation
    outcome = row.outcome
    tokens = row.tokens
    cost = DollarAmount(row.cost)
    isPriceKnown = row.isPriceKnown
    latencyMs = row.latencyMs
    timeToFirstTokenMs = row.timeToFirstTokenMs
  }
}

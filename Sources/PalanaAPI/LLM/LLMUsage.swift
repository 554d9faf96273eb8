package import PalanaCore

/// What to add up of the use of models.
package struct LLMUsageQuery: Codable, Hashable, Sendable {
  /// What a row is.
  package enum Grouping: String, Codable, CaseIterable, Sendable { case agent, owner, model, route, template, investigation, day, hour }

  package var by: Grouping
  /// From the hour in which this time lies; nil: from the beginning of what is kept.
  package var from: Timestamp?
  /// Hours that begin before this time; nil: up to now.
  package var to: Timestamp?
  /// Raw identity.
  package var owner: UserIdentity?
  /// Name or identifier of an agent.
  package var agent: String?
  package var model: String?
  package var route: String?
  /// At most so many rows, 1 to 1,000.
  package var limit: Int

  package init(
    by: Grouping, from: Timestamp? = nil, to: Timestamp? = nil, owner: UserIdentity? = nil, agent: String? = nil, model: String? = nil,
    route: String? = nil, limit: Int = 100
  ) {
    self.by = by
    self.from = from
    self.to = to
    self.owner = owner
    self.agent = agent
    self.model = model
    self.route = route
    self.limit = limit
  }
}

/// One line of the answer. By agent, owner, model, route, template and investigation the dearest comes first; by day and hour the earliest.
package struct LLMUsageRow: Codable, Hashable, Sendable {
  /// What it is grouped by: a name, a raw identity, or a day or hour as RFC 3339 text. An agent has its name here; empty: none.
  package var key: String
  /// By agent only.
  package var agentID: String?
  /// By agent only: raw identity.
  package var owner: String?
  /// Calls that went out.
  package var calls: Int64
  /// Of these, those that ended with an error of the provider or on the way to it.
  package var errors: Int64
  /// Of these, those of which nobody knows how they ended, as the daemon died meanwhile; they are charged at what was reserved.
  package var interrupted: Int64
  /// Calls that did not go out: over budget, or stopped by a guard.
  package var refused: Int64
  package var tokens: TokenUsage
  /// In nano-dollars.
  package var cost: Cost
  /// Whether every price was known; otherwise the price for unknown models is in ``cost``.
  package var isPriceKnown: Bool
  /// From the request to the end of the answer.
  package var latency: LLMLatency
  /// From the request to the first token; of answers that came as a stream.
  package var timeToFirstToken: LLMLatency

  package init(
    key: String, agentID: String? = nil, owner: String? = nil, calls: Int64, errors: Int64, interrupted: Int64, refused: Int64,
    tokens: TokenUsage, cost: Cost, isPriceKnown: Bool, latency: LLMLatency, timeToFirstToken: LLMLatency
  ) {
    self.key = key
    self.agentID = agentID
    self.owner = owner
    self.calls = calls
    self.errors = errors
    self.interrupted = interrupted
    self.refused = refused
    self.tokens = tokens
    self.cost = cost
    self.isPriceKnown = isPriceKnown
    self.latency = latency
    self.timeToFirstToken = timeToFirstToken
  }
}

/// One of the newest calls.
package struct LLMCallRow: Codable, Hashable, Sendable {
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
  /// In nano-dollars.
  package var cost: Cost
  package var isPriceKnown: Bool
  /// Nil: the call was interrupted.
  package var latencyMs: Double?
  /// Nil: there was no token, or the answer did not come as a stream.
  package var timeToFirstTokenMs: Double?

  package init(
    time: Timestamp, agent: String, agentID: String, owner: String, route: String, model: String, investigation: String?,
    outcome: LLMOutcome, tokens: TokenUsage, cost: Cost, isPriceKnown: Bool, latencyMs: Double?, timeToFirstTokenMs: Double?
  ) {
    self.time = time
    self.agent = agent
    self.agentID = agentID
    self.owner = owner
    self.route = route
    self.model = model
    self.investigation = investigation
    self.outcome = outcome
    self.tokens = tokens
    self.cost = cost
    self.isPriceKnown = isPriceKnown
    self.latencyMs = latencyMs
    self.timeToFirstTokenMs = timeToFirstTokenMs
  }
}

/// How a call ended.
package enum LLMOutcome: String, Codable, CaseIterable, Sendable {
  case ok
  /// The provider said so, or it could not be reached, or its answer broke off.
  case error
  /// The agent left, or was cut off, before the end.
  case cancelled
  /// The daemon died meanwhile.
  case interrupted
}

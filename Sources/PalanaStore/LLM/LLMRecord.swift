package import PalanaAPI
package import PalanaCore

/// What the use of models is counted by: who asks, by which route, which model.
package struct LLMCallKey: Hashable, Sendable {
  package var caller: LLMCaller
  package var route: String
  package var model: String

  package init(caller: LLMCaller, route: String, model: String) {
    self.caller = caller
    self.route = route
    self.model = model
  }

  // Name and owner follow from the identifier: hashing them too would only cost time, once for every call.
  package func hash(into hasher: inout Hasher) {
    hasher.combine(caller.id)
    hasher.combine(route)
    hasher.combine(model)
  }
}

/// One fact about the use of models, as it stands in the journal of the ledger.
package enum LLMRecord: Hashable, Sendable {
  /// A call is about to go out.
  case reserved(LLMReservedCall)
  /// A call ended, and this is what it used. Whole by itself: it counts even if its reservation was lost.
  case ended(LLMEndedCall)
  /// A call did not go out after all.
  case released(id: String)
  /// A warning was given.
  case warned(LLMWarningMark)
}

/// A call with what it may use at most.
package struct LLMReservedCall: Hashable, Sendable {
  /// Unique for ever.
  package var id: String
  /// When it was reserved: it is charged to the windows in which this lies.
  package var time: Timestamp
  package var key: LLMCallKey
  package var investigation: String?
  package var input: Int64
  package var output: Int64
  package var cost: Cost
  package var isPriceKnown: Bool

  package init(
    id: String, time: Timestamp, key: LLMCallKey, investigation: String?, input: Int64, output: Int64, cost: Cost, isPriceKnown: Bool
  ) {
    self.id = id
    self.time = time
    self.key = key
    self.investigation = investigation
    self.input = input
    self.output = output
    self.cost = cost
    self.isPriceKnown = isPriceKnown
  }
}

/// A call with what it used.
package struct LLMEndedCall: Hashable, Sendable {
  package var id: String
  /// When it was reserved.
  package var time: Timestamp
  package var key: LLMCallKey
  package var investigation: String?
  package var usage: TokenUsage
  package var cost: Cost
  package var isPriceKnown: Bool
  package var outcome: LLMOutcome
  /// In microseconds; nil: it was interrupted.
  package var latency: Int64?
  /// In microseconds; nil: no token came, or not as a stream.
  package var timeToFirstToken: Int64?

  package init(
    id: String, time: Timestamp, key: LLMCallKey, investigation: String?, usage: TokenUsage, cost: Cost, isPriceKnown: Bool,
    outcome: LLMOutcome, latency: Int64?, timeToFirstToken: Int64?
  ) {
    self.id = id
    self.time = time
    self.key = key
    self.investigation = investigation
    self.usage = usage
    self.cost = cost
    self.isPriceKnown = isPriceKnown
    self.outcome = outcome
    self.latency = latency
    self.timeToFirstToken = timeToFirstToken
  }

  /// A call of which nobody knows how it ended: it is charged at what was reserved for it.
  package init(interrupted call: LLMReservedCall) {
    self.init(
      id: call.id, time: call.time, key: call.key, investigation: call.investigation,
      usage: TokenUsage(input: call.input, output: call.output), cost: call.cost, isPriceKnown: call.isPriceKnown, outcome: .interrupted,
      latency: nil, timeToFirstToken: nil)
  }
}

/// That a budget warned, in which of its windows, and of whose use.
package struct LLMWarningMark: Hashable, Sendable {
  /// Name of the budget.
  package var budget: String
  package var window: LLMWindow
  /// Whose limit it is: an agent's identifier, an owner, a template; empty: of all together.
  package var group: String
  /// The first moment of the window.
  package var start: Timestamp

  package init(budget: String, window: LLMWindow, group: String, start: Timestamp) {
    self.budget = budget
    self.window = window
    self.group = group
    self.start = start
  }
}

/// What was used in one window: what limits count.
package struct LLMAmounts: Hashable, Sendable {
  /// Input and output together.
  package var tokens: Int64
  package var cost: Cost
  package var requests: Int64

  package init(tokens: Int64 = 0, cost: Cost = .zero, requests: Int64 = 0) {
    self.tokens = tokens
    self.cost = cost
    self.requests = requests
  }
}

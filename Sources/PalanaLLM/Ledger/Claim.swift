package import PalanaAPI
package import PalanaCore

/// A call of a model that is about to go out: who, what, and how much it can use at most.
package struct Claim: Hashable, Sendable {
  package var caller: LLMCaller
  /// The route's name.
  package var route: String
  /// The model as the provider will be asked for it: its price counts.
  package var model: String
  /// The investigation that the agent works for.
  package var investigation: String?
  /// Tokens of the request, rather too many than too few.
  package var input: Int64
  /// The most tokens that the answer can have.
  package var output: Int64
  package var time: Timestamp

  package init(
    caller: LLMCaller, route: String, model: String, investigation: String? = nil, input: Int64, output: Int64, time: Timestamp
  ) {
    self.caller = caller
    self.route = route
    self.model = model
    self.investigation = investigation
    self.input = input
    self.output = output
    self.time = time
  }
}

/// What was taken from the budgets for one call, to be given to ``Ledger/settle(_:_:)`` or ``Ledger/release(_:)`` exactly once. Given
/// twice it counts once; never given, it stays taken until the next start.
package struct Reservation: Sendable {
  /// When it was made; all later corrections belong to the windows in which this lies.
  package let time: Timestamp
  package let input: Int64
  package let output: Int64
  package let cost: Cost
  /// Whether the price of the model is known.
  package let isPriceKnown: Bool
  package let price: ModelPrice

  /// Tells the calls of a run apart; never used again.
  let number: UInt64
  /// Where the ledger keeps it while it is open.
  let slot: Int
  /// Who and which model, as they stand in the journal.
  let who: [UInt8]
  let investigation: String?
}

/// How a call went.
package struct Settlement: Hashable, Sendable {
  /// What the provider says was used, or what was counted.
  package var usage: TokenUsage
  /// What it costs; nil: by the price of the reservation.
  package var cost: Cost?
  package var outcome: LLMOutcome
  /// From the request to the end of the answer.
  package var latency: Duration
  /// From the request to the first token; nil: there was none, or the answer was no stream.
  package var timeToFirstToken: Duration?

  package init(usage: TokenUsage, cost: Cost? = nil, outcome: LLMOutcome, latency: Duration, timeToFirstToken: Duration? = nil) {
    self.usage = usage
    self.cost = cost
    self.outcome = outcome
    self.latency = latency
    self.timeToFirstToken = timeToFirstToken
  }
}

/// A budget of which a large part is used: said once in each of its windows.
package struct BudgetWarning: Hashable, Sendable {
  package var figures: BudgetFigures
  /// In per cent, what the budget says.
  package var warnsAt: Int
}

/// One limit of a budget and where it stands.
package struct BudgetFigures: Hashable, Sendable {
  package enum Measure: String, Codable, CaseIterable, Sendable { case tokens, cost, requests, concurrency }

  /// Name of the budget.
  package var budget: String
  /// Whose limit it is: an agent's identifier, an owner's raw identity, a template; empty: of all together that the budget counts.
  package var group: String
  package var measure: Measure
  /// Nil for concurrency.
  package var window: LLMWindow?
  /// In tokens, nano-dollars, requests or calls at once.
  package var limit: Int64
  package var used: Int64
  /// What calls that are under way may still use.
  package var reserved: Int64
  /// When it counts from nothing again; nil for concurrency.
  package var resetsAt: Timestamp?
}

package import PalanaAPI
package import PalanaCore

/// Where budgets stand.
package struct LLMBudgetReport: Codable, Hashable, Sendable {
  package var items: [LLMBudgetStanding]

  package init(items: [LLMBudgetStanding]) { self.items = items }
}

/// What a limit of a budget counts.
package enum LLMBudgetMeasure: String, Codable, CaseIterable, Sendable { case tokens, cost, requests, concurrency }

/// One limit of a budget and where it stands.
///
/// Amounts are text, so that they are exact: US dollars for `cost`, whole numbers for everything else.
package struct LLMBudgetStanding: Codable, Hashable, Sendable {
  /// Name of the budget.
  package var budget: String
  /// Whose calls it counts; absent: those of every agent.
  package var scope: LLMBudgetScope?
  /// Whose count it is: an agent's identifier, an owner's raw identity, a template. Absent: of all together, or nobody has counted yet.
  package var group: String?
  /// Name of the agent whose count it is.
  package var agent: String?
  /// Raw identity of that agent's owner.
  package var owner: String?
  package var measure: LLMBudgetMeasure
  /// Absent for `concurrency`.
  package var window: LLMWindow?
  package var limit: String
  package var used: String
  /// What calls that are under way may still use.
  package var reserved: String
  /// Per cent of the limit that is used, rounded down to a tenth; more than 100 is possible.
  package var usedPercent: Double
  /// Per cent from which on there is a warning.
  package var warnAt: Int
  /// When it counts from nothing again; absent for `concurrency`.
  package var resetsAt: Timestamp?

  package init(
    budget: String, scope: LLMBudgetScope? = nil, group: String? = nil, agent: String? = nil, owner: String? = nil,
    measure: LLMBudgetMeasure, window: LLMWindow?, limit: Int64, used: Int64, reserved: Int64, warnAt: Int, resetsAt: Timestamp?
  ) {
    func text(_ amount: Int64) -> String { measure == .cost ? DollarAmount(Cost(nanoDollars: amount)).description : String(amount) }
    self.budget = budget
    self.scope = scope
    self.group = group
    self.agent = agent
    self.owner = owner
    self.measure = measure
    self.window = window
    self.limit = text(limit)
    self.used = text(used)
    self.reserved = text(reserved)
    // Calls at once are used while they are under way.
    let counted = measure == .concurrency ? reserved : used
    usedPercent = limit > 0 ? (Double(counted) / Double(limit) * 1000).rounded(.down) / 10 : 100
    self.warnAt = warnAt
    self.resetsAt = resetsAt
  }

  package var isAtWarning: Bool { measure != .concurrency && usedPercent >= Double(warnAt) }
}

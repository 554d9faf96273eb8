package import PalanaCore

/// How much agents may use models: tokens, money and requests in a stretch of time, and calls at once.
package typealias LLMBudget = Resource<LLMBudgetSpec>

package struct LLMBudgetSpec: ResourceSpec {
  package typealias Status = NoStatus
  package static var kind: String { "LLMBudget" }
  package static var plural: String { "llmbudgets" }
  package static var isOwned: Bool { false }

  /// Whose calls it counts; absent: those of every agent, together.
  package var scope: LLMBudgetScope?
  /// Only calls of these models: exact names, or beginnings (`gpt-4.1*`). Absent or empty: every model.
  package var models: [String]?
  /// One limit for each window at most. All must hold.
  package var limits: [LLMBudgetLimit]?
  /// How many calls may run at once; absent: any number.
  package var concurrency: Int64?
  /// From which per cent of a limit on there is a warning; absent: ``warnsAt``.
  package var warnAt: Int?

  package init(
    scope: LLMBudgetScope? = nil, models: [String]? = nil, limits: [LLMBudgetLimit]? = nil, concurrency: Int64? = nil,
    warnAt: Int? = nil
  ) {
    self.scope = scope
    self.models = models
    self.limits = limits
    self.concurrency = concurrency
    self.warnAt = warnAt
  }

  /// The per cent that counts; 80 unless it is said.
  package var warnsAt: Int { warnAt ?? 80 }
}

/// Whose calls a budget counts. All given conditions must hold.
package struct LLMBudgetScope: Codable, Hashable, Sendable {
  /// What has a count of its own.
  package enum Each: String, Codable, CaseIterable, Sendable { case agent, owner, template }

  /// Raw identity.
  package var owner: UserIdentity?
  /// Name of an agent of ``owner``.
  package var agent: String?
  /// Name of a template.
  package var template: String?
  /// Absent: all that the other conditions choose count together. `agent`: each of them has the whole limit for itself.
  package var each: Each?

  package init(owner: UserIdentity? = nil, agent: String? = nil, template: String? = nil, each: Each? = nil) {
    self.owner = owner
    self.agent = agent
    self.template = template
    self.each = each
  }
}

/// What may be used within one window. At least one of the amounts is given.
package struct LLMBudgetLimit: Codable, Hashable, Sendable {
  package var window: LLMWindow
  /// Input and output together, those from a cache included.
  package var tokens: Int64?
  package var cost: DollarAmount?
  package var requests: Int64?

  package init(window: LLMWindow, tokens: Int64? = nil, cost: DollarAmount? = nil, requests: Int64? = nil) {
    self.window = window
    self.tokens = tokens
    self.cost = cost
    self.requests = requests
  }
}

import PalanaAPI
import PalanaCore
import PalanaStore

/// One thing that a budget holds: a limit of a window, or the number of calls at once.
struct BudgetRule {
  enum Limit {
    case window(LLMWindow, tokens: Int64?, cost: Cost?, requests: Int64?)
    case concurrency(Int64)
  }

  let budget: String
  let limit: Limit
  let warnsAt: Int
  private let scope: LLMBudgetScope
  private let models: [LLMModelPattern]

  /// Every rule of a budget. Of one that is not sound, what is sound.
  static func rules(of budget: LLMBudget) -> [BudgetRule] {
    let spec = budget.spec
    var limits = (spec.limits ?? []).map { limit in
      Limit.window(limit.window, tokens: limit.tokens, cost: limit.cost?.cost, requests: limit.requests)
    }
    if let concurrency = spec.concurrency { limits.append(.concurrency(concurrency)) }
    return limits.map { limit in
      BudgetRule(
        budget: budget.metadata.name.text, limit: limit, warnsAt: spec.warnsAt, scope: spec.scope ?? LLMBudgetScope(),
        models: (spec.models ?? []).compactMap { LLMModelPattern($0) })
    }
  }

  var window: LLMWindow? { if case .window(let window, _, _, _) = limit { window } else { nil } }

  /// Whose count it is for calls of `key`; nil: it does not speak of them. Empty: one count for all.
  /// - Parameter isEveryModel: the key stands for models whose names were not kept apart, and any of them may be meant.
  func group(of key: LLMCallKey, isEveryModel: Bool) -> String? {
    if let owner = scope.owner, owner != key.caller.owner { return nil }
    if let agent = scope.agent, agent != key.caller.name { return nil }
    if let template = scope.template, template != key.caller.template { return nil }
    guard models.isEmpty || isEveryModel || models.contains(where: { $0.matches(key.model) }) else { return nil }
    return switch scope.each {
    case nil: ""
    case .agent: key.caller.id.text
    case .owner: key.caller.owner.raw
    case .template: key.caller.template ?? ""
    }
  }
}

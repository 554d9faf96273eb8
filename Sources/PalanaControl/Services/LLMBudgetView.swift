import PalanaAPI
import PalanaControlAPI
import PalanaCore

/// What somebody sees of budgets: those that count agents of theirs, and of what each agent, owner or template has for itself what is
/// theirs.
struct LLMBudgetView {
  private let agents: [String: Agent]
  private let templates: Set<String>
  private let figures: [String: [LLMProbe.Figures]]
  private let seesEverything: Bool
  private let caller: UserIdentity
  private let now: Timestamp

  /// - Parameter agents: of the caller, or of everybody.
  init(agents: [Agent], figures: [LLMProbe.Figures], seesEverything: Bool, caller: UserIdentity, now: Timestamp) {
    self.agents = Dictionary(
      agents.compactMap { agent in (try? agent.id()).map { ($0.text, agent) } }, uniquingKeysWith: { first, _ in first })
    templates = Set(agents.compactMap(\.spec.template))
    self.figures = Dictionary(grouping: figures, by: \.budget)
    self.seesEverything = seesEverything
    self.caller = caller
    self.now = now
  }

  /// Every limit of a budget, for each whose count the caller may see. One against which nobody has counted is there too, with nothing
  /// used.
  func standings(of budget: LLMBudget) -> [LLMBudgetStanding] {
    guard seesEverything || concerns(budget.spec.scope) else { return [] }
    let name = budget.metadata.name.text
    let known = figures[name] ?? []
    return Self.limits(of: budget.spec).flatMap { limit -> [LLMBudgetStanding] in
      let counted = known.filter { $0.measure == limit.measure && $0.window == limit.window && isShown($0.group, budget.spec.scope?.each) }
      if counted.isEmpty {
        return [standing(budget, limit, group: nil, used: 0, reserved: 0, resetsAt: limit.window?.end(of: now))]
      }
      return counted.sorted { ($1.used, $0.group) < ($0.used, $1.group) }.map {
        standing(budget, limit, group: $0.group, used: $0.used, reserved: $0.reserved, resetsAt: $0.resetsAt)
      }
    }
  }

  private struct Limit {
    var measure: LLMBudgetMeasure
    var window: LLMWindow?
    var amount: Int64
  }

  private static func limits(of spec: LLMBudgetSpec) -> [Limit] {
    var limits: [Limit] = []
    for limit in spec.limits ?? [] {
      if let cost = limit.cost { limits.append(Limit(measure: .cost, window: limit.window, amount: cost.cost.nanoDollars)) }
      if let tokens = limit.tokens { limits.append(Limit(measure: .tokens, window: limit.window, amount: tokens)) }
      if let requests = limit.requests { limits.append(Limit(measure: .requests, window: limit.window, amount: requests)) }
    }
    if let concurrency = spec.concurrency { limits.append(Limit(measure: .concurrency, window: nil, amount: concurrency)) }
    return limits
  }

  private func standing(
    _ budget: LLMBudget, _ limit: Limit, group: String?, used: Int64, reserved: Int64, resetsAt: Timestamp?
  ) -> LLMBudgetStanding {
    let each = budget.spec.scope?.each
    let agent = each == .agent ? group.flatMap { agents[$0] } : nil
    return LLMBudgetStanding(
      budget: budget.metadata.name.text, scope: budget.spec.scope, group: each == nil ? nil : group, agent: agent?.metadata.name.text,
      owner: agent?.spec.owner?.raw, measure: limit.measure, window: limit.window, limit: limit.amount, used: used, reserved: reserved,
      warnAt: budget.spec.warnsAt, resetsAt: resetsAt)
  }

  /// Whether a budget counts an agent of the caller, or would count one that the caller makes.
  private func concerns(_ scope: LLMBudgetScope?) -> Bool {
    guard let scope else { return true }
    if let owner = scope.owner, owner != caller { return false }
    if let template = scope.template, !templates.contains(template) { return false }
    return true
  }

  private func isShown(_ group: String, _ each: LLMBudgetScope.Each?) -> Bool {
    guard !seesEverything else { return true }
    return switch each {
    case nil: true
    case .agent: agents[group] != nil
    case .owner: group.utf8.elementsEqual(caller.raw.utf8)
    case .template: templates.contains(group)
    }
  }
}

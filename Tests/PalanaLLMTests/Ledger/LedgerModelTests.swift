import PalanaAPI
import PalanaCore
import PalanaLLM
import Testing

/// Random histories against a model that knows nothing but the list of calls and adds it up anew for every question.
@Suite struct LedgerModelTests {
  private struct Call {
    var agent: String
    var owner: String
    var template: String?
    var model: String
    var time: Timestamp
    var tokens: Int64
    var cost: Int64
    var isOpen = true
    var reservation: Reservation?
  }

  private struct Generator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let mixed = (state ^ (state >> 31)) &* 0x9e37_79b9_7f4a_7c15
      return mixed ^ (mixed >> 29)
    }
  }

  private static func budgets() throws -> [LLMBudget] {
    let alice = try UserIdentity("alice@example.com")
    return [
      try budget("fleet", LLMBudgetSpec(limits: [try limit(.minute, tokens: 3000), try limit(.month, cost: "0.05")], concurrency: 9)),
      try budget("each", LLMBudgetSpec(scope: LLMBudgetScope(each: .agent), limits: [try limit(.hour, requests: 12)], concurrency: 4)),
      try budget("alice", LLMBudgetSpec(scope: LLMBudgetScope(owner: alice), models: ["m-1"], limits: [try limit(.day, tokens: 6000)])),
      try budget(
        "python",
        LLMBudgetSpec(scope: LLMBudgetScope(template: "python", each: .owner), limits: [try limit(.day, tokens: 9000, requests: 40)])),
    ]
  }

  private struct Figure: Hashable {
    var budget: String
    var group: String
    var measure: BudgetFigures.Measure
    var window: LLMWindow?
  }

  /// What the model says of a limit and of a new call: whose it is, what counts, what the call would add.
  private static func sums(_ budget: LLMBudget, _ calls: [Call], now: Timestamp) -> [Figure: Int64] {
    var sums: [Figure: Int64] = [:]
    for call in calls {
      guard let group = group(budget, call.agent, call.owner, call.template, call.model) else { continue }
      func add(_ measure: BudgetFigures.Measure, _ window: LLMWindow?, _ amount: Int64) {
        sums[Figure(budget: budget.metadata.name.text, group: group, measure: measure, window: window), default: 0] += amount
      }
      for limit in budget.spec.limits ?? [] where limit.window.start(of: call.time) == limit.window.start(of: now) {
        if limit.tokens != nil { add(.tokens, limit.window, call.tokens) }
        if limit.cost != nil { add(.cost, limit.window, call.cost) }
        if limit.requests != nil { add(.requests, limit.window, 1) }
      }
      if budget.spec.concurrency != nil, call.isOpen { add(.concurrency, nil, 1) }
    }
    return sums
  }

  private static func group(_ budget: LLMBudget, _ agent: String, _ owner: String, _ template: String?, _ model: String) -> String? {
    let scope = budget.spec.scope ?? LLMBudgetScope()
    if let wanted = scope.owner, wanted.raw != owner { return nil }
    if let wanted = scope.template, wanted != template { return nil }
    if let models = budget.spec.models, !models.contains(model) { return nil }
    return switch scope.each {
    case nil: ""
    case .agent: (try? caller(agent, owner: owner).id.text) ?? "?"
    case .owner: owner
    case .template: template ?? ""
    }
  }

  private static func allows(_ budgets: [LLMBudget], _ calls: [Call], _ new: Call, now: Timestamp) -> Bool {
    budgets.allSatisfy { budget in
      let after = sums(budget, calls + [new], now: now)
      guard let group = group(budget, new.agent, new.owner, new.template, new.model) else { return true }
      func sum(_ measure: BudgetFigures.Measure, _ window: LLMWindow?) -> Int64 {
        after[Figure(budget: budget.metadata.name.text, group: group, measure: measure, window: window)] ?? 0
      }
      return (budget.spec.limits ?? []).allSatisfy { limit in
        sum(.tokens, limit.window) <= limit.tokens ?? .max && sum(.cost, limit.window) <= limit.cost?.cost.nanoDollars ?? .max
          && sum(.requests, limit.window) <= limit.requests ?? .max
      } && sum(.concurrency, nil) <= budget.spec.concurrency ?? .max
    }
  }

  @Test(arguments: 1...12) func decidesAndCountsLikeTheModel(_ seed: UInt64) async throws {
    try await withFolder { folder in
      var random = Generator(state: seed)
      let clock = TestClock("2026-11-30T23:10:00Z")
      var current = folder
      var ledger = try await open(current, clock)
      let all = try Self.budgets()
      var budgets = all
      ledger.apply(budgets)
      var calls: [Call] = []
      var decisions: Set<Bool> = []
      for step in 0..<250 {
        await Task.yield()
        let underway = calls.indices.filter { calls[$0].isOpen }
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<55:
          let owner = ["alice@example.com", "bob@example.com"].randomElement(using: &random) ?? ""
          let agent = ["a", "b"].randomElement(using: &random) ?? ""
          let template = ["python", nil].randomElement(using: &random) ?? nil
          let model = ["m-1", "m-2"].randomElement(using: &random) ?? ""
          let (input, output) = (Int64.random(in: 0...600, using: &random), Int64.random(in: 0...200, using: &random))
          let claim = try claim(agent, owner: owner, template: template, model: model, input: input, output: output, at: clock.now)
          var call = Call(
            agent: agent, owner: owner, template: template, model: model, time: clock.now, tokens: input + output,
            cost: input * 1000 + output * 2000)
          let isAllowed = Self.allows(budgets, calls, call, now: clock.now)
          decisions.insert(isAllowed)
          let result = ledger.reserve(claim)
          call.reservation = try? result.get()
          #expect((call.reservation != nil) == isAllowed, "seed \(seed) step \(step): \(String(describing: result.overrun))")
          if call.reservation != nil { calls.append(call) }
        case 55..<80:
          guard let index = underway.randomElement(using: &random), let reservation = calls[index].reservation else { continue }
          let (input, output) = (Int64.random(in: 0...700, using: &random), Int64.random(in: 0...200, using: &random))
          _ = ledger.settle(reservation, settlement(input: input, output: output))
          calls[index].isOpen = false
          calls[index].tokens = input + output
          calls[index].cost = input * 1000 + output * 2000
        case 80..<85:
          guard let index = underway.randomElement(using: &random), let reservation = calls[index].reservation else { continue }
          ledger.release(reservation)
          calls.remove(at: index)
        case 85..<92: clock.advance([1, 20, 61, 1300].randomElement(using: &random) ?? 1)
        case 92..<97:
          budgets = all.filter { _ in Bool.random(using: &random) }
          ledger.apply(budgets)
        default:
          // It dies: what is under way is charged at what was reserved.
          try copyFolder(current, to: folder + "/\(step)")
          current = folder + "/\(step)"
          ledger = try await open(current, clock)
          ledger.apply(budgets)
          for index in underway { calls[index].isOpen = false }
        }
        var expected: [Figure: Int64] = [:]
        for budget in budgets { expected.merge(Self.sums(budget, calls, now: clock.now)) { $0 + $1 } }
        for figures in ledger.figures() {
          let figure = Figure(budget: figures.budget, group: figures.group, measure: figures.measure, window: figures.window)
          #expect(figures.used + figures.reserved == expected.removeValue(forKey: figure) ?? 0, "seed \(seed) step \(step): \(figure)")
        }
        #expect(expected.values.allSatisfy { $0 == 0 }, "seed \(seed) step \(step): \(expected)")
      }
      #expect(decisions == [true, false])
    }
  }
}

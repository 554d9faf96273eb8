import PalanaAPI
import PalanaCore
import PalanaStore

extension LedgerBook {
  func figures(_ index: Int, _ measure: BudgetFigures.Measure, _ limit: Int64) -> BudgetFigures {
    let counter = counters[index]
    let rule = rules[counter.rule]
    func amount(_ amounts: LLMAmounts) -> Int64 {
      switch measure {
      case .tokens: amounts.tokens
      case .cost: amounts.cost.nanoDollars
      case .requests: amounts.requests
      case .concurrency: 0
      }
    }
    return BudgetFigures(
      budget: rule.budget, group: counter.group, measure: measure, window: rule.window, limit: limit,
      used: measure == .concurrency ? 0 : amount(counter.standing.used),
      reserved: measure == .concurrency ? counter.open : amount(counter.standing.reserved),
      resetsAt: rule.window.map { $0.end(of: Timestamp(microseconds: counter.start)) })
  }

  /// The first limit of a counter of which the share is used from which on it warns.
  func isAtWarning(_ index: Int) -> BudgetFigures? {
    all(index).first { figures in
      figures.measure != .concurrency && figures.limit > 0
        && Int128(figures.used) * 100 >= Int128(figures.limit) * Int128(rules[counters[index].rule].warnsAt)
    }
  }

  private func all(_ index: Int) -> [BudgetFigures] {
    switch rules[counters[index].rule].limit {
    case .concurrency(let limit): return [figures(index, .concurrency, limit)]
    case .window(_, let tokens, let cost, let requests):
      return [
        tokens.map { figures(index, .tokens, $0) }, cost.map { figures(index, .cost, $0.nanoDollars) },
        requests.map { figures(index, .requests, $0) },
      ].compactMap { $0 }
    }
  }

  /// Where every limit stands that somebody has counted against.
  mutating func figures(now: Timestamp) -> [BudgetFigures] {
    let (_, starts) = starts(at: now)
    for index in counters.indices { roll(counter: index, to: starts) }
    return counters.indices.flatMap { all($0) }
  }
}

extension LedgerBook {
  /// Counts a call that did not go out.
  mutating func refuse(_ claim: Claim) {
    let (_, starts) = starts(at: claim.time)
    refuse(entries[entry(for: claim, starts: starts)].key, starts)
  }

  mutating func refuse(_ key: LLMCallKey, _ starts: WindowStarts) {
    refusals[RefusalKey(key: key, hour: starts[.hour]), default: 0] += 1
  }

  var hasRefusals: Bool { !refusals.isEmpty }

  /// The calls that did not go out since this was asked last.
  mutating func takeRefusals() -> [LLMRefusals] {
    defer { refusals = [:] }
    return refusals.map { LLMRefusals(key: $0.key, time: Timestamp(microseconds: $0.hour), count: $1) }
  }

  /// They could not be written down: they are to be taken again.
  mutating func putBack(_ list: [LLMRefusals]) {
    for item in list { refusals[RefusalKey(key: item.key, hour: item.time.microseconds), default: 0] += item.count }
  }
}

import PalanaAPI
import PalanaCore
import PalanaStore

extension LedgerBook {
  /// From now on these budgets hold, for calls under way too.
  mutating func apply(_ budgets: [LLMBudget], now: Timestamp) {
    rules = budgets.flatMap(BudgetRule.rules)
    recount(now: now)
  }

  mutating func use(_ prices: PriceTable) {
    self.prices = prices
    for index in entries.indices {
      (entries[index].price, entries[index].isPriceKnown) = prices.price(of: entries[index].key.model)
    }
  }

  /// Forgets whom nobody has heard of this month.
  mutating func prune(now: Timestamp) {
    let (_, starts) = starts(at: now)
    var places: [Int: Int] = [:]
    var kept: [Entry] = []
    for (index, entry) in entries.enumerated() where entry.open > 0 || entry.starts[.month] == starts[.month] {
      places[index] = kept.count
      kept.append(entry)
    }
    entries = kept
    entryOfKey = Dictionary(uniqueKeysWithValues: kept.enumerated().map { ($1.key, $0) })
    entriesOfAgent = kept.reduce(into: [:]) { $0[$1.key.caller.id, default: 0] += 1 }
    for index in slots.indices where slots[index].number != 0 { slots[index].entry = places[slots[index].entry] ?? 0 }
    warned = warned.filter { $0.start >= LLMWindow.month.start(of: latest) }
    recount(now: now)
  }

  private mutating func recount(now: Timestamp) {
    let (_, starts) = starts(at: now)
    counters = []
    counterOfGroup = [:]
    for index in entries.indices { connect(index, starts) }
    for index in counters.indices { counters[index].isWarned = isWarned(counters[index]) && isAtWarning(index) != nil }
  }

  /// Finds or makes the counters that speak of an entry, and adds what it has used.
  mutating func connect(_ index: Int, _ starts: WindowStarts) {
    roll(entry: index, to: starts)
    entries[index].counters = []
    for (number, rule) in rules.enumerated() {
      guard let group = rule.group(of: entries[index].key, isEveryModel: entries[index].isEveryModel) else { continue }
      let key = CounterKey(rule: number, group: group)
      let counter = counterOfGroup[key] ?? counters.count
      if counter == counters.count {
        counters.append(Counter(rule: number, group: group, start: rule.window.map { starts[$0] } ?? 0))
        counterOfGroup[key] = counter
        counters[counter].isWarned = isWarned(counters[counter])
      } else {
        roll(counter: counter, to: starts)
      }
      if let window = rule.window, let place = Self.windows.firstIndex(of: window) {
        counters[counter].standing.add(entries[index].standings[place])
      }
      counters[counter].open += entries[index].open
      entries[index].counters.append(counter)
    }
  }
}

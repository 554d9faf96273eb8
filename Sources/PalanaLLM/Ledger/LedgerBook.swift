import PalanaAPI
import PalanaCore
import PalanaStore

/// What is used and reserved, by caller and model, and what budgets say about it. Pure; the ledger holds it under one lock.
///
/// There are two views of one fact. An entry holds what one caller used of one model by one route, in the present minute, hour, day and
/// month, whatever the budgets are. A counter holds what one rule of one budget counts; it is at every moment the sum of the entries that
/// the rule speaks of, so that a budget which is written or changed in the middle of a month knows what was used before.
struct LedgerBook {
  struct Entry {
    let key: LLMCallKey
    /// Whether it stands for every model beyond ``LedgerBook/entriesPerAgent``.
    let isEveryModel: Bool
    let who: [UInt8]
    var price: ModelPrice
    var isPriceKnown: Bool
    var starts: WindowStarts
    var standings: InlineArray<4, Standing> = .init(repeating: Standing())
    var open: Int64 = 0
    /// The counters of the rules that speak of it.
    var counters: [Int] = []
  }

  struct Counter {
    let rule: Int
    let group: String
    /// Of the window that it counts.
    var start: Int64
    var standing = Standing()
    var open: Int64 = 0
    var isWarned = false
  }

  /// What is kept of a call that is under way.
  struct Slot {
    var number: UInt64
    var entry: Int
    var amounts: LLMAmounts
    var starts: WindowStarts
  }

  /// An agent that asks for more models than these has the rest of them counted together, and in every budget of a model: it must not be
  /// able to fill the memory or the database, or to escape a budget, by names that it makes up.
  static let entriesPerAgent = 256
  static let otherModels = "(other)"

  /// A clock that is set back by less than this has no effect: time stands still instead.
  private static let stillness = Duration.seconds(3600)

  var prices: PriceTable
  private(set) var rules: [BudgetRule] = []
  private(set) var counters: [Counter] = []
  private(set) var entries: [Entry] = []
  private var entryOfKey: [LLMCallKey: Int] = [:]
  private var entriesOfAgent: [AgentID: Int] = [:]
  private var counterOfGroup: [CounterKey: Int] = [:]
  private var slots: [Slot] = []
  private var freeSlots: [Int] = []
  private var lastNumber: UInt64 = 0
  private var latest: Timestamp
  private(set) var month: UTCMonth
  private var warned: Set<LLMWarningMark>
  private var refusals: [RefusalKey: Int64] = [:]

  private struct CounterKey: Hashable {
    var rule: Int
    var group: String
  }

  private struct RefusalKey: Hashable {
    var key: LLMCallKey
    var hour: Int64
  }

  /// - Parameters:
  ///   - tallies: what was used before in the windows in which `now` lies.
  ///   - warned: the warnings that were given before.
  init(prices: PriceTable, now: Timestamp, tallies: [LLMTally] = [], warned: [LLMWarningMark] = []) {
    self.prices = prices
    self.warned = Set(warned)
    latest = now
    month = UTCMonth(of: now)
    let starts = WindowStarts(of: now, month: month)
    for tally in tallies {
      let index = addEntry(tally.key, model: tally.key.model, starts: starts)
      for (place, window) in LLMWindow.allCases.enumerated() {
        entries[index].standings[place].used.add(tally.used[window] ?? LLMAmounts())
      }
    }
  }

  /// How many calls are under way.
  var openCalls: Int { slots.count - freeSlots.count }
}

// MARK: Time and entries

extension LedgerBook {
  /// The windows of a call that comes now.
  mutating func starts(at time: Timestamp) -> (Timestamp, WindowStarts) {
    if time >= latest || latest - time > Self.stillness { latest = time }
    if latest < month.start || latest >= month.end { month = UTCMonth(of: latest) }
    return (latest, WindowStarts(of: latest, month: month))
  }

  mutating func entry(for claim: Claim, starts: WindowStarts) -> Int {
    var key = LLMCallKey(caller: claim.caller, route: claim.route, model: claim.model)
    if let index = entryOfKey[key] { return index }
    if (entriesOfAgent[key.caller.id] ?? 0) >= Self.entriesPerAgent {
      key.model = Self.otherModels
      if let index = entryOfKey[key] { return index }
    }
    return addEntry(key, model: claim.model, starts: starts)
  }

  private mutating func addEntry(_ key: LLMCallKey, model: String, starts: WindowStarts) -> Int {
    let (price, isKnown) = prices.price(of: model)
    let entry = Entry(
      key: key, isEveryModel: key.model == Self.otherModels, who: JournalCodec.who(key), price: price, isPriceKnown: isKnown,
      starts: starts)
    entries.append(entry)
    entryOfKey[key] = entries.count - 1
    entriesOfAgent[key.caller.id, default: 0] += 1
    connect(entries.count - 1, starts)
    return entries.count - 1
  }

  /// Windows that have passed count nothing any more, and what is still reserved in them is corrected where it belongs.
  mutating func roll(entry index: Int, to starts: WindowStarts) {
    guard entries[index].starts != starts else { return }
    for (place, window) in LLMWindow.allCases.enumerated() where entries[index].starts[window] != starts[window] {
      entries[index].standings[place] = Standing()
    }
    entries[index].starts = starts
  }

  mutating func roll(counter index: Int, to starts: WindowStarts) {
    guard let window = rules[counters[index].rule].window, counters[index].start != starts[window] else { return }
    counters[index].start = starts[window]
    counters[index].standing = Standing()
    counters[index].isWarned = isWarned(counters[index])
  }

  func isWarned(_ counter: Counter) -> Bool {
    let rule = rules[counter.rule]
    guard let window = rule.window else { return false }
    return warned.contains(mark(rule, window, counter))
  }

  private func mark(_ rule: BudgetRule, _ window: LLMWindow, _ counter: Counter) -> LLMWarningMark {
    LLMWarningMark(budget: rule.budget, window: window, group: counter.group, start: Timestamp(microseconds: counter.start))
  }
}

// MARK: Budgets

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
  private mutating func connect(_ index: Int, _ starts: WindowStarts) {
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
      if let window = rule.window, let place = LLMWindow.allCases.firstIndex(of: window) {
        counters[counter].standing.add(entries[index].standings[place])
      }
      counters[counter].open += entries[index].open
      entries[index].counters.append(counter)
    }
  }
}

// MARK: Calls

extension LedgerBook {
  /// Takes everything that a call may use from every budget that speaks of it, or nothing.
  mutating func reserve(_ claim: Claim) -> Result<Reservation, Refusal.Overrun> {
    let (time, starts) = starts(at: claim.time)
    let index = entry(for: claim, starts: starts)
    roll(entry: index, to: starts)
    let (price, isKnown) =
      entries[index].isEveryModel ? prices.price(of: claim.model) : (entries[index].price, entries[index].isPriceKnown)
    let cost = LedgerBounds.cost(price.atMost(input: claim.input, output: claim.output))
    let amounts = LLMAmounts(tokens: LLMAmounts.sum(claim.input, claim.output), cost: cost, requests: 1)

    let applying = entries[index].counters
    var overrun: Refusal.Overrun?
    for counter in applying {
      roll(counter: counter, to: starts)
      check(counter, amounts, time, &overrun)
    }
    if let overrun {
      refuse(entries[index].key, starts)
      return .failure(overrun)
    }

    for counter in applying {
      counters[counter].standing.reserved.add(amounts)
      counters[counter].open += 1
    }
    for place in entries[index].standings.indices { entries[index].standings[place].reserved.add(amounts) }
    entries[index].open += 1
    lastNumber += 1
    let slot = keep(Slot(number: lastNumber, entry: index, amounts: amounts, starts: starts))
    return .success(
      Reservation(
        time: time, input: claim.input, output: claim.output, cost: cost, isPriceKnown: isKnown, price: price, number: lastNumber,
        slot: slot, who: entries[index].who, investigation: claim.investigation))
  }

  /// Puts what a call used in the place of what was reserved for it, in the windows of the reservation, as far as they go on.
  /// - Parameter used: nil: nothing reached the model.
  /// - Returns: nil when it was given back before; else the warnings that are due, of a call that used something.
  mutating func close(_ reservation: Reservation, used: LLMAmounts?) -> [(BudgetWarning, LLMWarningMark)]? {
    guard slots.indices.contains(reservation.slot), slots[reservation.slot].number == reservation.number else { return nil }
    let slot = slots[reservation.slot]
    slots[reservation.slot].number = 0
    freeSlots.append(reservation.slot)

    entries[slot.entry].open -= 1
    for (place, window) in LLMWindow.allCases.enumerated() where entries[slot.entry].starts[window] == slot.starts[window] {
      entries[slot.entry].standings[place].settle(slot.amounts, used: used ?? LLMAmounts())
    }
    var warnings: [(BudgetWarning, LLMWarningMark)] = []
    for counter in entries[slot.entry].counters {
      counters[counter].open -= 1
      let rule = rules[counters[counter].rule]
      guard let window = rule.window, counters[counter].start == slot.starts[window] else { continue }
      counters[counter].standing.settle(slot.amounts, used: used ?? LLMAmounts())
      guard used != nil, !counters[counter].isWarned, let figures = isAtWarning(counter) else { continue }
      let mark = mark(rule, window, counters[counter])
      counters[counter].isWarned = true
      warned.insert(mark)
      warnings.append((BudgetWarning(figures: figures, warnsAt: rule.warnsAt), mark))
    }
    return warnings
  }

  private mutating func keep(_ slot: Slot) -> Int {
    guard let free = freeSlots.popLast() else {
      slots.append(slot)
      return slots.count - 1
    }
    slots[free] = slot
    return free
  }

  private func check(_ index: Int, _ asked: LLMAmounts, _ time: Timestamp, _ worst: inout Refusal.Overrun?) {
    let counter = counters[index]
    switch rules[counter.rule].limit {
    case .concurrency(let limit):
      if counter.open >= limit { consider(index, .concurrency, limit, 1, time, &worst) }
    case .window(_, let tokens, let cost, let requests):
      let standing = counter.standing
      if let tokens, LLMAmounts.sum(LLMAmounts.sum(standing.used.tokens, standing.reserved.tokens), asked.tokens) > tokens {
        consider(index, .tokens, tokens, asked.tokens, time, &worst)
      }
      if let cost, standing.used.cost + standing.reserved.cost + asked.cost > cost {
        consider(index, .cost, cost.nanoDollars, asked.cost.nanoDollars, time, &worst)
      }
      if let requests, LLMAmounts.sum(LLMAmounts.sum(standing.used.requests, standing.reserved.requests), 1) > requests {
        consider(index, .requests, requests, 1, time, &worst)
      }
    }
  }

  /// Of two limits in the way, the one that stays there longer: for good, or until a later time; calls at once end soonest.
  private func consider(
    _ counter: Int, _ measure: BudgetFigures.Measure, _ limit: Int64, _ asked: Int64, _ time: Timestamp, _ worst: inout Refusal.Overrun?
  ) {
    let new = Refusal.Overrun(figures: figures(counter, measure, limit), asked: asked, time: time)
    func rank(_ overrun: Refusal.Overrun) -> Int64 {
      overrun.isTooLarge ? .max : overrun.figures.resetsAt?.microseconds ?? .min
    }
    if let worst, rank(worst) >= rank(new) { return }
    worst = new
  }
}

// MARK: Figures

extension LedgerBook {
  private func figures(_ index: Int, _ measure: BudgetFigures.Measure, _ limit: Int64) -> BudgetFigures {
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
  private func isAtWarning(_ index: Int) -> BudgetFigures? {
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

// MARK: Refusals

extension LedgerBook {
  /// Counts a call that did not go out.
  mutating func refuse(_ claim: Claim) {
    let (_, starts) = starts(at: claim.time)
    refuse(entries[entry(for: claim, starts: starts)].key, starts)
  }

  private mutating func refuse(_ key: LLMCallKey, _ starts: WindowStarts) {
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

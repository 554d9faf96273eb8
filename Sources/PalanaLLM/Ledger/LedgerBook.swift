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
  static let stillness = Duration.seconds(3600)

  /// In the order of the standings of an entry. `allCases` would be a new array at every use.
  static let windows = LLMWindow.allCases

  var prices: PriceTable
  var rules: [BudgetRule] = []
  var counters: [Counter] = []
  var entries: [Entry] = []
  var entryOfKey: [LLMCallKey: Int] = [:]
  var entriesOfAgent: [AgentID: Int] = [:]
  var counterOfGroup: [CounterKey: Int] = [:]
  var slots: [Slot] = []
  var freeSlots: [Int] = []
  var lastNumber: UInt64 = 0
  var latest: Timestamp
  var month: UTCMonth
  var warned: Set<LLMWarningMark>
  var refusals: [RefusalKey: Int64] = [:]

  struct CounterKey: Hashable {
    var rule: Int
    var group: String
  }

  struct RefusalKey: Hashable {
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
      for (place, window) in Self.windows.enumerated() {
        entries[index].standings[place].used.add(tally.used[window] ?? LLMAmounts())
      }
    }
  }

  /// How many calls are under way.
  var openCalls: Int { slots.count - freeSlots.count }
}

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

  mutating func addEntry(_ key: LLMCallKey, model: String, starts: WindowStarts) -> Int {
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
    for (place, window) in Self.windows.enumerated() where entries[index].starts[window] != starts[window] {
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

  func mark(_ rule: BudgetRule, _ window: LLMWindow, _ counter: Counter) -> LLMWarningMark {
    LLMWarningMark(budget: rule.budget, window: window, group: counter.group, start: Timestamp(microseconds: counter.start))
  }
}

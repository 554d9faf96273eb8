import PalanaAPI
import PalanaCore
import PalanaStore

/// What one run of an agent has done so far.
struct ReasoningRun: Sendable {
  /// How many prompts are compared with.
  static let mostPrints = 16

  let name: String
  let owner: UserIdentity
  private(set) var tier: AgentReasoning.Tier?
  private(set) var calls = 0
  private(set) var trip: ReasoningTrip?
  private(set) var time: Timestamp
  /// What the runs before allow it; settled when it begins, so that it does not change on the way.
  private var learned: Int?
  /// The last ones, in a ring.
  private var prints: [(number: UInt64, print: PromptPrint)] = []
  private var next = 0
  private var number: UInt64 = 0

  enum Verdict {
    /// With the number of the call.
    case passed(UInt64)
    case tripped(ReasoningTrip)
  }

  init(name: String, owner: UserIdentity, tier: AgentReasoning.Tier?, learned: Int?, time: Timestamp) {
    self.name = name
    self.owner = owner
    self.tier = tier
    self.learned = learned
    self.time = time
  }

  /// Goes on after a start of the daemon. What its prompts were is forgotten.
  init?(_ run: LLMOpenRun, learned: Int?) {
    var trip: ReasoningTrip?
    if let kept = run.trip {
      guard let limit = ReasoningTrip.Limit(rawValue: kept.limit) else { return nil }
      trip = ReasoningTrip(limit: limit, count: kept.count, bound: kept.bound)
    }
    self.init(name: run.run, owner: run.owner, tier: AgentReasoning.Tier(rawValue: run.tier), learned: learned, time: run.time)
    calls = run.calls
    self.trip = trip
  }

  func kept(of agent: AgentID) -> LLMOpenRun {
    LLMOpenRun(
      agent: agent, run: name, owner: owner, tier: tier?.rawValue ?? "", calls: calls,
      trip: trip.map { LLMOpenRun.Trip(limit: $0.limit.rawValue, count: $0.count, bound: $0.bound) }, time: time)
  }

  /// The owner changed the tier of an agent that runs.
  mutating func move(to tier: AgentReasoning.Tier?, learned: Int?) {
    self.tier = tier
    self.learned = learned
  }

  /// Takes one more call, or says that the run is stuck; it stays so.
  mutating func admit(_ reading: ConversationReading, _ limits: AgentReasoning, at time: Timestamp) -> Verdict {
    self.time = time
    let repeats = reading.print.map { print in prints.count { $0.print.isNear(print) } } ?? 0
    if let trip = exceeded(limits, calls: calls + 1, repeats: repeats, loops: reading.toolLoops) {
      self.trip = trip
      prints = []
      return .tripped(trip)
    }
    calls += 1
    number += 1
    if let print = reading.print { keep(print) }
    return .passed(number)
  }

  private func exceeded(_ limits: AgentReasoning, calls: Int, repeats: Int, loops: Int) -> ReasoningTrip? {
    let bounds = [limits.maxCalls ?? limits.tier?.calls, limits.tier == nil ? nil : learned].compactMap { $0 }
    if let bound = bounds.min(), calls > bound { return ReasoningTrip(limit: .calls, count: calls, bound: bound) }
    let (mostRepeats, mostLoops) = (
      limits.maxRepeats ?? AgentReasoning.defaultRepeats, limits.maxToolLoops ?? AgentReasoning.defaultRepeats
    )
    if repeats > mostRepeats { return ReasoningTrip(limit: .repeats, count: repeats, bound: mostRepeats) }
    if loops > mostLoops { return ReasoningTrip(limit: .toolLoops, count: loops, bound: mostLoops) }
    return nil
  }

  private mutating func keep(_ print: PromptPrint) {
    guard prints.count == Self.mostPrints else { return prints.append((number, print)) }
    prints[next] = (number, print)
    next = (next + 1) % Self.mostPrints
  }

  /// The call with this number does not count.
  mutating func giveBack(_ number: UInt64) {
    guard calls > 0 else { return }
    calls -= 1
    // Its place stays, and nothing is near it.
    if let place = prints.firstIndex(where: { $0.number == number }) {
      prints[place].print = PromptPrint(bins: .zero, calls: 0, length: 0)
    }
  }
}

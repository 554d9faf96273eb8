import Logging
import PalanaAPI
import PalanaAudit
package import PalanaCore
import PalanaStore
import ServiceLifecycle
import Synchronization

/// Cuts runs of agents off from models when they reason in circles: counts calls, prompts that are nearly the same, and loops of tools, as
/// they are seen from outside the agent.
///
/// A run is what an agent does from one start to its end (``LLMAgent/instance``). Its first call opens it; ``end(_:run:isSuccess:)`` closes
/// it. ``admit(_:_:_:at:)`` may be called from event loops: it holds one lock of sixteen for a few comparisons. ``run()`` writes down what
/// has to survive the daemon.
package final class ReasoningBreaker: Service {
  /// What becomes of the run.
  enum Verdict: Sendable {
    case passed(Ticket)
    /// - Parameter isNew: whether this call is the one.
    case stuck(ReasoningTrip, isNew: Bool)
  }

  /// One call that was counted.
  struct Ticket: Hashable, Sendable {
    let agent: AgentID
    let run: String
    let number: UInt64
  }

  /// A run that somebody should be told of.
  package struct Escalation: Hashable, Sendable {
    package var agent: AgentID
    package var run: String
    package var trip: ReasoningTrip
  }

  /// The runs of some of the agents.
  final class Shard: Sendable {
    let book = Mutex(Book())
  }

  struct Book {
    var runs: [AgentID: ReasoningRun] = [:]
    /// What is to be written down.
    var changed: Set<AgentID> = []
    var closed: [(agent: AgentID, run: String)] = []
    var good: [LLMGoodRun] = []
  }

  /// Runs of so many agents are kept; those that did not call for the longest time are forgotten first, and stuck ones last.
  static let mostRuns = 8_192
  static let shards = 16

  let store: LLMStore
  let clock: WallClock
  let logger: Logger
  private let book: [Shard]
  private let history: Mutex<RunHistory>
  private let mostPerShard: Int
  let wake = WakeSignal()
  /// Runs that were taken for stuck, each once; after a start those that are still open again. One reader.
  package let escalations: AsyncStream<Escalation>
  let escalating: AsyncStream<Escalation>.Continuation

  init(store: LLMStore, open: [LLMOpenRun], good: [LLMGoodRun], mostRuns: Int, clock: WallClock, logger: Logger) {
    self.store = store
    self.clock = clock
    self.logger = logger
    book = (0..<Self.shards).map { _ in Shard() }
    mostPerShard = max(1, mostRuns / Self.shards)
    let history = RunHistory(good)
    (escalations, escalating) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(mostRuns))
    self.history = Mutex(history)
    for kept in open {
      let learned = AgentReasoning.Tier(rawValue: kept.tier).flatMap { history.bound(RunHistory.Key(owner: kept.owner, tier: $0)) }
      guard let run = ReasoningRun(kept, learned: learned) else { continue }
      shard(kept.agent).book.withLock { $0.runs[kept.agent] = run }
      // Whether it was told before the daemon ended nobody knows.
      if let trip = run.trip { escalating.yield(Escalation(agent: kept.agent, run: run.name, trip: trip)) }
    }
  }

  private func shard(_ agent: AgentID) -> Shard { book[Int(UInt(bitPattern: agent.hashValue) % UInt(Self.shards))] }

  var all: [Shard] { book }

  // MARK: Calls

  /// Counts a call of an agent in its run, or says why it may not go out.
  func admit(_ agent: LLMAgent, _ limits: AgentReasoning, _ reading: ConversationReading, at time: Timestamp) -> Verdict {
    let verdict = shard(agent.id).book.withLock { book -> Verdict in
      if book.runs[agent.id]?.name != agent.instance {
        makeRoom(in: &book)
        book.runs[agent.id] = ReasoningRun(
          name: agent.instance, owner: agent.owner, tier: limits.tier, learned: learned(agent.owner, limits.tier), time: time)
      } else if book.runs[agent.id]?.tier != limits.tier {
        book.runs[agent.id]?.move(to: limits.tier, learned: learned(agent.owner, limits.tier))
      }
      if let trip = book.runs[agent.id]?.trip { return .stuck(trip, isNew: false) }
      book.changed.insert(agent.id)
      switch book.runs[agent.id]?.admit(reading, limits, at: time) {
      case .passed(let number)?: return .passed(Ticket(agent: agent.id, run: agent.instance, number: number))
      case .tripped(let trip)?: return .stuck(trip, isNew: true)
      // It was put there above.
      case nil: return .passed(Ticket(agent: agent.id, run: agent.instance, number: 0))
      }
    }
    if case .stuck(let trip, true) = verdict { escalating.yield(Escalation(agent: agent.id, run: agent.instance, trip: trip)) }
    wake.raise()
    return verdict
  }

  private func learned(_ owner: UserIdentity, _ tier: AgentReasoning.Tier?) -> Int? {
    tier.flatMap { tier in history.withLock { $0.bound(RunHistory.Key(owner: owner, tier: tier)) } }
  }

  private func makeRoom(in book: inout Book) {
    guard book.runs.count >= mostPerShard else { return }
    let oldest = book.runs.min { ($0.value.trip != nil ? 1 : 0, $0.value.time) < ($1.value.trip != nil ? 1 : 0, $1.value.time) }
    if let oldest { book.runs[oldest.key] = nil }
  }

  /// The call came to nothing: it does not count.
  func giveBack(_ ticket: Ticket) {
    shard(ticket.agent).book.withLock { book in
      guard book.runs[ticket.agent]?.name == ticket.run else { return }
      book.runs[ticket.agent]?.giveBack(ticket.number)
      book.changed.insert(ticket.agent)
    }
    wake.raise()
  }

  // MARK: Ends

  /// A run is over. May be said more than once.
  ///
  /// - Parameter isSuccess: whether its process came to its end by itself, with code 0. If it called models and was not stuck, it counts
  ///   among the good runs of its tier.
  package func end(_ agent: AgentID, run: String, isSuccess: Bool) {
    let time = clock.now()
    shard(agent).book.withLock { book in
      guard let ended = book.runs[agent], ended.name == run else { return }
      book.runs[agent] = nil
      book.changed.remove(agent)
      book.closed.append((agent, run))
      guard isSuccess, ended.trip == nil, ended.calls > 0, let tier = ended.tier else { return }
      book.good.append(LLMGoodRun(agent: agent, owner: ended.owner, tier: tier.rawValue, calls: ended.calls, time: time))
      history.withLock { $0.add(ended.calls, of: RunHistory.Key(owner: ended.owner, tier: tier)) }
    }
    wake.raise()
  }

  /// What is known of the run of an agent, for tests.
  func run(of agent: AgentID) -> ReasoningRun? { shard(agent).book.withLock { $0.runs[agent] } }
}

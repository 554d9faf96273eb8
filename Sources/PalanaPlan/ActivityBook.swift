package import PalanaCore
import Synchronization

/// When each agent did something last, or something was done to it. Of this process alone; what has to outlive it stands in the agents' status.
package final class ActivityBook: Sendable {
  private struct Entry {
    var last: Timestamp
    /// What is under way, such as a command of a person: as long as it is, the agent is active.
    var held = 0
  }

  private let entries = Mutex<[AgentID: Entry]>([:])

  package init() {}

  /// Notes one deed. An earlier moment than the one that is known changes nothing.
  package func note(_ agent: AgentID, at time: Timestamp) {
    entries.withLock { $0[agent, default: Entry(last: time)].last = max($0[agent]?.last ?? time, time) }
  }

  /// Notes the beginning of something that takes a while. ``release(_:at:)`` ends it.
  package func hold(_ agent: AgentID, at time: Timestamp) {
    note(agent, at: time)
    entries.withLock { $0[agent]?.held += 1 }
  }

  package func release(_ agent: AgentID, at time: Timestamp) {
    note(agent, at: time)
    entries.withLock { $0[agent]?.held -= 1 }
  }

  /// The last deed; `now` while something is under way; nil when nothing is known.
  package func last(of agent: AgentID, now: Timestamp) -> Timestamp? {
    entries.withLock { $0[agent].map { $0.held > 0 ? now : $0.last } }
  }

  /// The last deed of each agent that is known here; `now` for those with something under way.
  package func all(now: Timestamp) -> [AgentID: Timestamp] {
    entries.withLock { $0.mapValues { $0.held > 0 ? now : $0.last } }
  }

  /// Forgets agents that are no more.
  package func keep(_ known: Set<AgentID>) {
    entries.withLock { entries in entries = entries.filter { known.contains($0.key) || $0.value.held > 0 } }
  }
}

import NIOCore
import PalanaCore
import Synchronization

/// The meters of all agents, and their open connections over all event loops. Touched once per connection, not per request.
final class AgentMeters: Sendable {
  private struct Entry {
    let meter = AgentMeter()
    var connections = 0
  }

  private let entries = Mutex<[AgentID: Entry]>([:])

  /// Counts one more connection if the agent may have it.
  /// - Parameters:
  ///   - limit: open connections at once.
  ///   - perSecond: new ones; zero: no limit.
  func admit(_ agent: AgentID, limit: Int, perSecond: Int, now: NIODeadline) -> AgentMeter? {
    entries.withLock { entries in
      let entry = entries[agent, default: Entry()]
      entries[agent] = entry
      guard entry.connections < limit, entry.meter.mayConnect(perSecond: perSecond, now: now) else { return nil }
      entries[agent]?.connections += 1
      return entry.meter
    }
  }

  /// The meter of an agent.
  func meter(of agent: AgentID) -> AgentMeter {
    entries.withLock { entries in
      let entry = entries[agent, default: Entry()]
      entries[agent] = entry
      return entry.meter
    }
  }

  /// A connection is over. The meter stays: who comes again at once has not gained anything.
  func release(_ agent: AgentID) { entries.withLock { $0[agent]?.connections -= 1 } }

  /// Forgets agents that are gone and have no connection.
  func keep(_ known: Set<AgentID>) {
    entries.withLock { entries in entries = entries.filter { known.contains($0.key) || $0.value.connections > 0 } }
  }

  /// When each agent was active last.
  /// - Parameter countsOpen: whether a request under way is activity; otherwise only what was read is.
  func activity(now: NIODeadline, countsOpen: Bool) -> [AgentID: NIODeadline] {
    entries.withLock { entries in
      entries.compactMapValues { entry in countsOpen && entry.meter.requestsInFlight > 0 ? now : entry.meter.lastActive }
    }
  }

  /// Open connections of all agents together.
  var connections: Int { entries.withLock { $0.values.reduce(0) { $0 + $1.connections } } }

  /// Requests under way of all agents together.
  var requests: Int { entries.withLock { $0.values.reduce(0) { $0 + $1.meter.requestsInFlight } } }
}

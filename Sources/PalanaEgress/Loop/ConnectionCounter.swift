import PalanaCore
import Synchronization

/// Open connections of each agent over all event loops. Touched once per connection, not per request.
final class ConnectionCounter: Sendable {
  private let counts = Mutex<[AgentID: Int]>([:])

  /// Counts one more connection if the agent may have it.
  func admit(_ agent: AgentID, limit: Int) -> Bool {
    counts.withLock { counts in
      let count = counts[agent, default: 0]
      guard count < limit else { return false }
      counts[agent] = count + 1
      return true
    }
  }

  /// All of them together.
  var total: Int { counts.withLock { $0.values.reduce(0, +) } }

  func release(_ agent: AgentID) {
    counts.withLock { counts in
      let count = counts[agent, default: 0] - 1
      counts[agent] = count > 0 ? count : nil
    }
  }
}

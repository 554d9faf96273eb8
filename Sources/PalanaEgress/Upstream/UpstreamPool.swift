import NIOCore
import PalanaCore

/// Connections to upstreams that nobody uses at this moment, on one event loop: they wait for the next request of the same
/// agent, or for the end of what it said last. Kept by agent, so that a kill finds them.
struct UpstreamPool {
  private struct Group {
    var idle: [UpstreamKey: [UpstreamConnection]] = [:]
    var count = 0
    /// Connections that say their last bytes.
    var ending: [ObjectIdentifier: UpstreamConnection] = [:]
    var isEmpty: Bool { count == 0 && ending.isEmpty }
  }

  private var groups: [AgentID: Group] = [:]
  private let perAgent: Int
  private let life: TimeAmount

  init(limits: EgressLimits) {
    perAgent = limits.upstreamIdlePerAgent
    life = TimeAmount(limits.upstreamIdle)
  }

  var count: Int { groups.values.reduce(0) { $0 + $1.count + $1.ending.count } }
  var agents: [AgentID] { Array(groups.keys) }

  /// The connection that was used last, which is the least likely to be closed by the other side.
  mutating func take(_ key: UpstreamKey) -> UpstreamConnection? {
    guard let connection = groups[key.agent]?.idle[key]?.popLast() else { return nil }
    forget(key)
    return connection
  }

  /// - Returns: false when the agent has too many; the caller closes it.
  mutating func put(_ connection: UpstreamConnection, now: NIODeadline) -> Bool {
    guard groups[connection.key.agent, default: Group()].count < perAgent else { return false }
    connection.expires = now + life
    groups[connection.key.agent, default: Group()].count += 1
    groups[connection.key.agent, default: Group()].idle[connection.key, default: []].append(connection)
    return true
  }

  /// Keeps a connection until its last bytes are sent and the other side closes.
  /// - Returns: false when the agent has too many; the caller closes it.
  mutating func linger(_ connection: UpstreamConnection, now: NIODeadline) -> Bool {
    guard groups[connection.key.agent]?.ending.count ?? 0 < perAgent else { return false }
    connection.expires = now + life
    groups[connection.key.agent, default: Group()].ending[ObjectIdentifier(connection)] = connection
    return true
  }

  /// Forgets a connection that closed by itself.
  mutating func remove(_ connection: UpstreamConnection) {
    let agent = connection.key.agent
    if groups[agent]?.ending.removeValue(forKey: ObjectIdentifier(connection)) != nil {
      if groups[agent]?.isEmpty == true { groups[agent] = nil }
      return
    }
    guard let index = groups[connection.key.agent]?.idle[connection.key]?.firstIndex(where: { $0 === connection })
    else { return }
    groups[connection.key.agent]?.idle[connection.key]?.remove(at: index)
    forget(connection.key)
  }

  mutating func closeAll(_ agent: AgentID) {
    guard let group = groups.removeValue(forKey: agent) else { return }
    for connection in group.idle.values.joined() { connection.abort() }
    for connection in group.ending.values { connection.abort() }
  }

  mutating func expire(_ now: NIODeadline) {
    let late = groups.values.flatMap { $0.ending.values.filter { $0.expires <= now } }
    for connection in late {
      remove(connection)
      connection.abort()
    }
    var old: [UpstreamConnection] = []
    for group in groups.values { for list in group.idle.values { old += list.filter { $0.expires <= now } } }
    for connection in old {
      remove(connection)
      connection.closeGracefully()
    }
  }

  private mutating func forget(_ key: UpstreamKey) {
    if groups[key.agent]?.idle[key]?.isEmpty == true { groups[key.agent]?.idle[key] = nil }
    groups[key.agent]?.count -= 1
    if groups[key.agent]?.isEmpty == true { groups[key.agent] = nil }
  }
}

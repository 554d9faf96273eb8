import NIOCore
import PalanaCore

/// Connections to upstreams that nobody uses at this moment, on one event loop: they wait for the next request of the same
/// agent, or for the end of what it said last. Kept by agent, so that a kill finds them.
struct UpstreamPool {
  private struct Group {
    var idle: [UpstreamKey: [UpstreamConnection]] = [:]
    var count = 0
    /// Connections that carry many requests at once, idle or not.
    var shared: [UpstreamKey: [UpstreamConnection]] = [:]
    /// Connections that say their last bytes.
    var ending: [ObjectIdentifier: UpstreamConnection] = [:]
    var isEmpty: Bool { count == 0 && ending.isEmpty && shared.isEmpty }
    /// The shared ones that carry nothing at this moment.
    var unused: Int { shared.values.joined().count { $0.isUnused } }
  }

  private var groups: [AgentID: Group] = [:]
  private let perAgent: Int
  private let life: TimeAmount

  init(limits: EgressLimits) {
    perAgent = limits.upstreamIdlePerAgent
    life = TimeAmount(limits.upstreamIdle)
  }

  var count: Int { groups.values.reduce(0) { $0 + $1.count + $1.ending.count + $1.unused } }
  var agents: [AgentID] { Array(groups.keys) }

  /// The connection that was used last, which is the least likely to be closed by the other side.
  mutating func take(_ key: UpstreamKey) -> UpstreamConnection? {
    guard let connection = groups[key.agent]?.idle[key]?.popLast() else { return nil }
    forget(key)
    return connection
  }

  /// One that takes another request.
  func shared(_ key: UpstreamKey) -> UpstreamConnection? { groups[key.agent]?.shared[key]?.first { $0.hasRoom } }

  mutating func share(_ connection: UpstreamConnection, now: NIODeadline) {
    connection.expires = now + life
    groups[connection.key.agent, default: Group()].shared[connection.key, default: []].append(connection)
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
    if let index = groups[agent]?.shared[connection.key]?.firstIndex(where: { $0 === connection }) {
      groups[agent]?.shared[connection.key]?.remove(at: index)
      if groups[agent]?.shared[connection.key]?.isEmpty == true { groups[agent]?.shared[connection.key] = nil }
      if groups[agent]?.isEmpty == true { groups[agent] = nil }
      return
    }
    if groups[agent]?.ending.removeValue(forKey: ObjectIdentifier(connection)) != nil {
      if groups[agent]?.isEmpty == true { groups[agent] = nil }
      return
    }
    guard let index = groups[connection.key.agent]?.idle[connection.key]?.firstIndex(where: { $0 === connection })
    else { return }
    groups[connection.key.agent]?.idle[connection.key]?.remove(at: index)
    forget(connection.key)
  }

  /// Forgets all connections of an agent; the caller cuts them.
  mutating func removeAll(_ agent: AgentID) -> [UpstreamConnection] {
    guard let group = groups.removeValue(forKey: agent) else { return [] }
    return group.idle.values.flatMap { $0 } + group.ending.values + group.shared.values.flatMap { $0 }
  }

  /// Forgets those whose time is over; the caller closes them.
  ///
  /// - Returns: those that wait in vain for the other side's end, and those that nobody needed.
  mutating func expire(_ now: NIODeadline) -> (ending: [UpstreamConnection], unused: [UpstreamConnection]) {
    var ending: [UpstreamConnection] = []
    var unused: [UpstreamConnection] = []
    for group in groups.values {
      ending += group.ending.values.filter { $0.expires <= now }
      for list in group.idle.values { unused += list.filter { $0.expires <= now } }
      for list in group.shared.values { unused += list.filter { $0.expires <= now && $0.isUnused } }
    }
    for connection in ending { remove(connection) }
    for connection in unused { remove(connection) }
    return (ending, unused)
  }

  private mutating func forget(_ key: UpstreamKey) {
    if groups[key.agent]?.idle[key]?.isEmpty == true { groups[key.agent]?.idle[key] = nil }
    groups[key.agent]?.count -= 1
    if groups[key.agent]?.isEmpty == true { groups[key.agent] = nil }
  }
}

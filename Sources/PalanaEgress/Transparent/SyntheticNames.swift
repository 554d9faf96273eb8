import NIOCore
import PalanaCore
import PalanaPolicy
import Synchronization

/// Which address stands for which name, for each agent by itself: no question leaves the machine when a name is resolved, and an
/// address leads to exactly one name.
///
/// Written by the resolver, read once for each redirected connection. An agent's table is bounded; an address is given to another
/// name only when it was not used for a while, and a client that still uses it then is refused, since it speaks of another name.
final class SyntheticNames: Sendable {
  fileprivate struct Entry {
    var host: CanonicalHost
    var lastUse: NIODeadline
  }

  fileprivate struct Table {
    var entries: [Entry] = []
    var numbers: [CanonicalHost: Int] = [:]
  }

  /// Names of one agent.
  static let mostNames = 4096
  /// How long an address stays with its name after its last use, at least. Far longer than what the resolver says.
  static let life: TimeAmount = .minutes(10)

  private let range: CIDR
  private let base: UInt32
  private let capacity: Int
  private let tables = Mutex<[AgentID: Table]>([:])

  /// - Parameter range: IPv4, 8 to 24 bits. Its first address is not used.
  init(range: CIDR, mostNames: Int = SyntheticNames.mostNames) {
    self.range = range
    if case .v4(let base) = range.base { self.base = base } else { base = 0 }
    capacity = min(mostNames, 1 << (32 - min(24, range.prefix)) - 2)
  }

  func isInRange(_ address: IPAddress) -> Bool { range.contains(address) }

  /// The address that stands for a name; nil when the agent has too many names in use.
  func address(of host: CanonicalHost, for agent: AgentID, now: NIODeadline) -> UInt32? {
    tables.withLock { tables in
      guard let number = tables[agent, default: Table()].number(of: host, now: now, capacity: capacity) else { return nil }
      return base + 1 + UInt32(number)
    }
  }

  /// The name that an address stands for; nil when it stands for none.
  func host(at address: IPAddress, for agent: AgentID, now: NIODeadline) -> CanonicalHost? {
    guard case .v4(let value) = address, range.contains(address), value > base else { return nil }
    let number = Int(value - base - 1)
    return tables.withLock { tables in
      guard let count = tables[agent]?.entries.count, number < count else { return nil }
      tables[agent]?.entries[number].lastUse = now
      return tables[agent]?.entries[number].host
    }
  }

  /// Forgets the agents that are gone.
  func keep(_ agents: Set<AgentID>) {
    tables.withLock { tables in
      for agent in tables.keys where !agents.contains(agent) { tables[agent] = nil }
    }
  }

  /// Names of all agents.
  var count: Int { tables.withLock { $0.values.reduce(0) { $0 + $1.entries.count } } }
}

extension SyntheticNames.Table {
  fileprivate mutating func number(of host: CanonicalHost, now: NIODeadline, capacity: Int) -> Int? {
    if let known = numbers[host] {
      entries[known].lastUse = now
      return known
    }
    if entries.count < capacity {
      entries.append(SyntheticNames.Entry(host: host, lastUse: now))
      numbers[host] = entries.count - 1
      return entries.count - 1
    }
    guard let oldest = entries.indices.min(by: { entries[$0].lastUse < entries[$1].lastUse }),
      entries[oldest].lastUse + SyntheticNames.life <= now
    else { return nil }
    numbers[entries[oldest].host] = nil
    entries[oldest] = SyntheticNames.Entry(host: host, lastUse: now)
    numbers[host] = oldest
    return oldest
  }
}

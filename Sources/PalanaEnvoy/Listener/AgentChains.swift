import PalanaCore
import PalanaEgress

/// The filter chains of the outer listener: one for each agent that may speak. Pure; whoever holds it guards it.
///
/// A chain carries a ticket, a random name that says which agent it belongs to. Another ticket makes another chain: Envoy then
/// closes every connection that came in through the old one.
struct AgentChains: Sendable {
  struct Chain: Hashable, Sendable {
    var ticket: String
    var agent: AgentID
    var source: IPAddress
    var connections: Int
  }

  private(set) var chains: [AgentID: Chain] = [:]
  private var byTicket: [String: AgentID] = [:]

  /// In a fixed order, so that equal states look equal.
  var sorted: [Chain] { chains.values.sorted { $0.ticket < $1.ticket } }

  /// Whose ticket it is; nil for one that is no longer in force.
  func agent(of ticket: String) -> AgentID? { byTicket[ticket] }

  /// Takes a new state of all agents.
  ///
  /// - Parameter cut: agents whose open connections have to end.
  /// - Returns: whether anything changed.
  mutating func update(_ agents: [EgressAgent], cut: Set<AgentID>, limit: Int) -> Bool {
    var next: [AgentID: Chain] = [:]
    for agent in agents where !agent.isKilled {
      var chain = Chain(
        ticket: "", agent: agent.id, source: agent.source, connections: agent.connectionLimit ?? limit)
      let old = chains[agent.id]
      chain.ticket = old?.ticket ?? Self.newTicket()
      if cut.contains(agent.id) || old.map({ $0 != chain }) == true { chain.ticket = Self.newTicket() }
      next[agent.id] = chain
    }
    guard next != chains else { return false }
    chains = next
    byTicket = Dictionary(uniqueKeysWithValues: next.values.map { ($0.ticket, $0.agent) })
    return true
  }

  /// Gives these agents new chains.
  mutating func renew(_ agents: Set<AgentID>) -> Bool {
    var changed = false
    for id in agents {
      guard let old = chains[id] else { continue }
      byTicket[old.ticket] = nil
      chains[id]?.ticket = Self.newTicket()
      if let ticket = chains[id]?.ticket { byTicket[ticket] = id }
      changed = true
    }
    return changed
  }

  /// 128 random bits: a ticket cannot be guessed, though nobody but Envoy can present one.
  private static func newTicket() -> String {
    var generator = SystemRandomNumberGenerator()
    return String(generator.next() as UInt64, radix: 16) + String(generator.next() as UInt64, radix: 16)
  }
}

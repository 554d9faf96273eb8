package import PalanaCore
package import PalanaSecrets

/// Every agent that the gateway serves, at one moment. Each event loop holds its own reference.
package final class EgressSnapshot: Sendable {
  /// Grows with each snapshot of one gateway's life.
  package let version: UInt64
  /// By source address; one address belongs to one agent.
  let agents: [IPAddress: EgressAgent]
  /// Secrets of agents that do not run: nobody may send their values either.
  private let watched: [PlaceholderBinding]

  /// - Throws: ``PalanaError`` with code `conflict` when two agents have the same address: the gateway could not tell them apart.
  package init(
    version: UInt64, agents: [EgressAgent], watched: [PlaceholderBinding] = []
  ) throws(PalanaError) {
    var table: [IPAddress: EgressAgent] = [:]
    table.reserveCapacity(agents.count)
    for agent in agents {
      guard table.updateValue(agent, forKey: agent.source) == nil else {
        throw PalanaError(.conflict, "two agents have the address \(agent.source)")
      }
    }
    self.version = version
    self.agents = table
    self.watched = watched
  }

  /// Every secret whose value the gateway has to recognise.
  package var bindings: [PlaceholderBinding] { agents.values.flatMap(\.bindings) + watched }

  /// Every agent, in no order.
  package var all: [EgressAgent] { Array(agents.values) }

  /// A snapshot without agents: everything is refused.
  package static let empty = EgressSnapshot()

  private init() {
    version = 0
    agents = [:]
    watched = []
  }
}

package import PalanaCore

/// What of an agent's objects depends on more than its plan.
package struct AgentRun: Codable, Hashable, Sendable {
  /// Another agent at the other end of a peering rule.
  package struct Peer: Codable, Hashable, Sendable {
    package var id: AgentID
    package var namespace: String
    /// TCP ports of whoever listens.
    package var ports: [Int]
    package init(id: AgentID, namespace: String, ports: [Int]) {
      self.id = id
      self.namespace = namespace
      self.ports = ports
    }
  }

  /// Whether its process shall run now.
  package var isWanted: Bool
  /// Whether it is cut off: no path leads out of it or into it, also while its process runs.
  package var isCut: Bool
  /// Whether it rests because it did nothing for too long: whoever opens one of its browser ports wakes it.
  package var isIdle = false
  /// Counts explicit starts (`lifecycle.restartCount`).
  package var number: Int
  /// The explicit start whose process came to its end and shall stay there; nil: none.
  package var ended: Int?
  /// Who may connect to it.
  package var incoming: [Peer]
  /// Whom it may connect to.
  package var outgoing: [Peer]
  /// Namespace and name of the `Agent`.
  package var source: String

  package init(
    isWanted: Bool, isCut: Bool = false, number: Int = 0, ended: Int? = nil, incoming: [Peer] = [], outgoing: [Peer] = [], source: String
  ) {
    self.isWanted = isWanted
    self.isCut = isCut
    self.number = number
    self.ended = ended
    self.incoming = incoming
    self.outgoing = outgoing
    self.source = source
  }
}

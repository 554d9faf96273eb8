package import PalanaCore

/// Lets one agent open connections to a port of another agent of the same owner (or, written by an operator, of any owner).
package typealias PeeringRule = Resource<PeeringRuleSpec>

package struct PeeringRuleSpec: ResourceSpec {
  package typealias Status = NoStatus
  package static var kind: String { "PeeringRule" }
  package static var plural: String { "peeringrules" }
  package static var isOwned: Bool { true }

  /// Raw identity; set by the server, immutable.
  package var owner: UserIdentity?
  /// Name of the agent that connects.
  package var from: String
  /// Name of the agent that listens.
  package var to: String
  /// TCP ports of `to`, 1 to 65535.
  package var ports: [Int]

  package init(owner: UserIdentity? = nil, from: String, to: String, ports: [Int]) {
    self.owner = owner
    self.from = from
    self.to = to
    self.ports = ports
  }
}

package import PalanaCore

/// A durable order to keep agents cut off. While it exists, every agent it names is `Killed`, whatever its spec wants.
package typealias KillOrder = Resource<KillOrderSpec>

package struct KillOrderSpec: ResourceSpec {
  package typealias Status = NoStatus
  package static var kind: String { "KillOrder" }
  package static var plural: String { "killorders" }
  package static var isOwned: Bool { false }

  /// Whom it concerns.
  package enum Target: Codable, Hashable, Sendable {
    case agent(AgentID)
    case owner(UserIdentity)
    case template(String)
    case all
  }

  package var target: Target
  /// Why; shown to people and in the audit trail.
  package var reason: String
  /// Raw identity of who gave it.
  package var by: UserIdentity
  package var at: Timestamp

  package init(target: Target, reason: String, by: UserIdentity, at: Timestamp) {
    self.target = target
    self.reason = reason
    self.by = by
    self.at = at
  }
}

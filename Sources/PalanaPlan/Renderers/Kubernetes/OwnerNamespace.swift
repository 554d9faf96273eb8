package import PalanaCore

/// The namespace of what a person writes in a cluster: agents, peering rules, secret bindings. What is made of an agent stands elsewhere
/// (``AgentNamespace``), where its owner may write nothing.
package enum OwnerNamespace {
  package static let prefix = "palana-"
  /// On every one of them.
  package static let label = "palana.dev/owner-namespace"

  /// `palana-{sanitized owner}-{ten digits of the raw owner}`, at most 63 characters.
  package static func name(_ owner: UserIdentity) -> String {
    "\(prefix)\(SanitizedName(sanitizing: owner.raw))-\(owner.digits)"
  }
}

package import PalanaCore

/// The namespace of an agent's objects in a cluster.
package enum AgentNamespace {
  /// What the name of each begins with.
  package static let prefix = "agent-"
  /// A label of RFC 1123.
  static let limit = 63

  /// `agent-{sanitized owner}-{agent}-{digits of the AgentID}`, at most 63 characters.
  ///
  /// Of two raw owners who look alike when sanitized, the digits differ. What is left to chance is found out when the namespace is
  /// claimed: it says whose it is.
  package static func name(owner: UserIdentity, agent: ResourceName) -> String {
    let id = AgentID(owner: owner, name: agent)
    let room = limit - prefix.utf8.count - id.text.utf8.count - 1
    return "\(prefix)\(SanitizedName(sanitizing: owner.raw, limit: min(room, 24)))-\(id)"
  }

  /// Whether a namespace of this name could be an agent's.
  package static func isOne(_ name: String) -> Bool {
    guard name.utf8.starts(with: prefix.utf8) else { return false }
    // One character of the agent's name, a dash, ten digits.
    return AgentID(parsing: String(name.dropFirst(prefix.count).suffix(12))) != nil
  }
}

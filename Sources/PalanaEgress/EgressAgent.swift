package import PalanaCore
package import PalanaPolicy
package import PalanaSecrets

/// One agent as the gateway knows it. A value that never changes: a new state of the agent is a new object.
package final class EgressAgent: Sendable {
  /// Who it is, for decisions and events.
  package let subject: PolicySubject
  /// The only address it may speak from.
  package let source: IPAddress
  /// Which of its lives this is, where an address moves on, such as the uid of a pod: what another one opened is closed.
  package let instance: String
  /// The second factor: what it must present as the password of its proxy authentication.
  package let proxyToken: Redacted<String>
  /// What it may do.
  package let decisions: DecisionCore
  /// The placeholders that stand for its secrets.
  package let bindings: [PlaceholderBinding]
  /// Whether the kill switch holds it: nothing of it passes.
  package let isKilled: Bool
  /// Open connections; nil: the gateway's own limit.
  package let connectionLimit: Int?
  /// Finds the placeholders; an index is one of ``bindings``.
  let scanner: PlaceholderScanner
  /// The ``bindings`` that may stand in a body, that may stand in messages of a websocket, that sign requests, and that let no other
  /// credential stand in their places.
  let inBody: [PlaceholderBinding]
  let inWebsocket: [PlaceholderBinding]
  let signers: [PlaceholderBinding]
  let required: [PlaceholderBinding]
  /// Whether answers of token endpoints are rewritten for it.
  let mintsTokens: Bool

  package init(
    subject: PolicySubject, source: IPAddress, instance: String = "", proxyToken: Redacted<String>, decisions: DecisionCore,
    bindings: [PlaceholderBinding], isKilled: Bool = false, connectionLimit: Int? = nil
  ) {
    self.subject = subject
    self.source = source
    self.instance = instance
    self.proxyToken = proxyToken
    self.decisions = decisions
    self.bindings = bindings
    self.isKilled = isKilled
    self.connectionLimit = connectionLimit
    mintsTokens = bindings.contains { !$0.tokenDestinations.isEmpty }
    scanner = PlaceholderScanner(bindings.map(\.placeholder))
    inBody = bindings.filter { $0.places.contains(.body) }
    inWebsocket = bindings.filter { $0.places.contains(.websocket) }
    signers = bindings.filter { $0.signing != nil }
    required = bindings.filter(\.isRequired)
  }

  package var id: AgentID { subject.id }

  /// Whether what `other` opened may go on as this one's.
  func continues(_ other: EgressAgent) -> Bool {
    id == other.id && instance == other.instance && proxyToken.matches(other.proxyToken)
  }
}

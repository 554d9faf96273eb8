package import PalanaAPI

/// A named list of rules: an agent's own (`agent`) or those of one `EgressPolicy`.
package struct RuleSource: Hashable, Sendable {
  /// Stands in front of each rule's id in decisions.
  package var name: String
  package var rules: [EgressRule]

  package init(name: String, rules: [EgressRule]) {
    self.name = name
    self.rules = rules
  }
}

/// What the native rules say of one request.
package enum RulesVerdict: Hashable, Sendable {
  case allow(rule: String, explanation: String)
  /// A written deny rule.
  case deny(rule: String, explanation: String)
  /// No rule speaks of it: the step that the nearest rule failed at, and that rule if there is one.
  case noMatch(DenialReason, nearest: String?, explanation: String)
}

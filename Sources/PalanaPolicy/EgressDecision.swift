/// The answer of all layers together.
package struct EgressDecision: Hashable, Sendable {
  /// Nil: allowed.
  package var denial: DenialReason?
  /// The rule that decided, `policy-name/rule-id`, `agent/rule-id` or `guardrail/package`; nil: no rule matched.
  package var rule: String?
  /// Identifies the set of rules and guardrails that was asked.
  package var policyVersion: String
  /// A sentence for people: why, and what would change it.
  package var explanation: String
  /// How long the same question may be answered from memory. Nil: until the policy changes; zero: never.
  package var validFor: Duration?

  package var isAllowed: Bool { denial == nil }

  package init(
    denial: DenialReason?, rule: String?, policyVersion: String, explanation: String, validFor: Duration? = nil
  ) {
    self.denial = denial
    self.rule = rule
    self.policyVersion = policyVersion
    self.explanation = explanation
    self.validFor = validFor
  }
}

/// A decision with every step that led to it, for `pcli egress test`.
package struct DecisionExplanation: Codable, Hashable, Sendable {
  /// What one layer said.
  package struct Step: Codable, Hashable, Sendable {
    /// `preflight` (what no rule can allow), `rules`, `guardrail[N]` or `address`.
    package var layer: String
    /// `allow`, `deny` or `abstain`.
    package var verdict: String
    package var rule: String?
    package var text: String

    package init(layer: String, verdict: String, rule: String?, text: String) {
      self.layer = layer
      self.verdict = verdict
      self.rule = rule
      self.text = text
    }
  }

  /// `authority` or `request`.
  package var stage: String
  package var allowed: Bool
  package var reason: DenialReason?
  package var rule: String?
  package var policyVersion: String
  package var explanation: String
  package var steps: [Step]

  package init(
    stage: String, allowed: Bool, reason: DenialReason?, rule: String?, policyVersion: String, explanation: String,
    steps: [Step]
  ) {
    self.stage = stage
    self.allowed = allowed
    self.reason = reason
    self.rule = rule
    self.policyVersion = policyVersion
    self.explanation = explanation
    self.steps = steps
  }
}

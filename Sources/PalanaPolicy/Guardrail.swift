/// What one layer says. Deny wins over allow, and silence is not consent.
package enum LayerVerdict: Hashable, Sendable {
  case allow(rule: String, explanation: String)
  case deny(DenialReason, rule: String, explanation: String)
  case abstain
}

/// A policy layer that is evaluated outside the event loops: Rego in process, or an OPA server.
package protocol Guardrail: Sendable {
  /// Changes whenever an answer could.
  var version: String { get }
  /// Never throws: what cannot be asked is `deny(.policyUnavailable, …)`.
  func evaluate(_ request: EgressRequest) async -> GuardrailAnswer
}

/// A guardrail's verdict with how long it holds.
package struct GuardrailAnswer: Hashable, Sendable {
  package var verdict: LayerVerdict
  /// Zero: ask again each time.
  package var validFor: Duration

  package init(_ verdict: LayerVerdict, validFor: Duration) {
    self.verdict = verdict
    self.validFor = validFor
  }
}

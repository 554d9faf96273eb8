import PalanaPolicy

extension GuardrailAnswer {
  /// What every failure of a guardrail is: a denial that is asked again the next time.
  static func unavailable(_ why: String) -> GuardrailAnswer {
    GuardrailAnswer(.deny(.policyUnavailable, rule: GuardrailOutput.ruleName, explanation: why), validFor: .zero)
  }
}

import PalanaPolicy

/// A guardrail that answers when the test lets it, and with what the test wants.
struct WaitingGuardrail: Guardrail {
  let gate: Gate
  var verdict = LayerVerdict.abstain
  var version: String { "test" }

  func evaluate(_ request: EgressRequest) async -> GuardrailAnswer {
    await gate.pass()
    return GuardrailAnswer(verdict, validFor: .zero)
  }
}

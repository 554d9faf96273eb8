import PalanaCore
import PalanaEgress
import PalanaPolicy

/// Stands where rules are that nobody can vouch for: whatever they allow is refused.
struct Withheld: Guardrail {
  let version = "withheld"
  /// For the agent, in its refusal.
  private let explanation: String

  init(_ explanation: String) { self.explanation = explanation }

  func evaluate(_ request: EgressRequest) async -> GuardrailAnswer {
    GuardrailAnswer(.deny(.policyUnavailable, rule: "withheld", explanation: explanation), validFor: .seconds(60))
  }

  /// The same rules, behind this.
  func core(_ core: DecisionCore) -> DecisionCore { DecisionCore(rules: core.rules, guardrails: [self]) }
}

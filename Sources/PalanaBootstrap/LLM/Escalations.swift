import PalanaLLM
import PalanaLocal

extension LocalEngine {
  /// Marks the run in the status of its agent.
  func escalate(_ escalation: ReasoningBreaker.Escalation) async {
    await escalate(
      escalation.agent, run: escalation.run, reason: "ReasoningLimit", message: "\(escalation.trip): its calls of models are refused")
  }
}

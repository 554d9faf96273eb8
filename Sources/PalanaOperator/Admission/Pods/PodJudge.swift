import PalanaCore
import PalanaKube

/// What is decided about pods in the namespaces of agents.
struct PodJudge: Sendable {
  var parties: Parties
  var rules: PodRules

  func check(_ request: AdmissionRequest) throws(AdmissionRefusal) {
    guard request.operation != .delete, let pod = request.object else { return }
    let role = parties.role(of: request.requester)
    if request.subresource == "ephemeralcontainers", role != .engine {
      throw .forbidden("pods/ephemeralcontainers: nobody but the operator puts a container into an agent’s pod")
    }
    if let old = request.oldObject {
      let changes = TrustedMetadata.changes(from: old, to: pod)
      if role != .engine, let change = changes.first { throw .forbidden("metadata.\(change): says which agent this is, and stays") }
      // One from before these rules can still be touched, so that it can end.
      guard !ExactText.isSame(old["spec"], pod["spec"]) else { return }
    }
    let problems = rules.problems(pod, in: request.namespace, isNew: request.oldObject == nil)
    if let refusal = AdmissionRefusal.invalid(problems) {
      throw AdmissionRefusal(code: 403, reason: "Forbidden", message: refusal.message)
    }
  }
}

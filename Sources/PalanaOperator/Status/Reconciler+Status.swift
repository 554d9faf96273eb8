import PalanaAPI
import PalanaCore
import PalanaKube
import PalanaPlan

extension Reconciler {
  /// The one place that writes an agent's status, and only when it says something new.
  func writeStatus(_ seen: SeenAgent, _ pass: Pass?, _ failure: PassFailure?) async throws(KubeError) {
    let pods = seen.identity.map { copy.pods(in: $0.namespace) } ?? []
    // Of two, one is on its way out.
    let pod = pods.first { !$0.isDeleting } ?? pods.first
    let status = AgentStatus.observed(seen, pass, pod, failure, now: configuration.clock.now())
    guard status != seen.status else { return }
    var object = KubeObject(ClusterKinds.agents, namespace: seen.key.namespace, name: seen.key.name)
    object.setMetadata("uid", .string(seen.uid))
    do throws(PalanaError) { object["status"] = try JSONValue(encoding: status) } catch {
      throw KubeError(.malformed, "a status has no JSON form")
    }
    _ = try await cluster.apply(ClusterKinds.agents, object, subresource: "status")
    let said = status.conditions?.first { $0.type == "Ready" }
    if let said, said.reason != seen.status?.conditions?.first(where: { $0.type == "Ready" })?.reason {
      let isBad = status.phase == .failed || status.phase == .killed
      await events.record(
        seen, isBad ? .warning : .normal, reason: said.reason, said.message.isEmpty ? status.phase.rawValue : said.message)
    }
  }
}

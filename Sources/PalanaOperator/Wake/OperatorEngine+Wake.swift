import Logging
import PalanaAPI
import PalanaAudit
package import PalanaCore
import PalanaKube
import PalanaPlan

/// What became of a request for an agent that rests.
package enum WakeResult: Hashable, Sendable {
  /// There is no such agent.
  case unknown
  /// It runs, or is on its way.
  case starting
  /// Somebody wants it not to run.
  case refused(reason: String)
  /// The cluster did not take it.
  case failed
}

extension OperatorEngine {
  /// Starts an agent that rests because it was idle. Whoever asks has been let in by the sign-in in front of it.
  package func wake(_ id: AgentID) async -> WakeResult {
    guard
      let (key, seen) = copy.agents.all.first(where: {
        $0.value.identity?.id == id && copy.agent(ofNamespace: $0.value.identity?.namespace ?? "") == $0.key
      }),
      case .success(let agent) = seen.content, !seen.isDeleting
    else { return .unknown }
    if !copy.orders(about: seen).isEmpty { return .refused(reason: "it is cut off by a kill order") }
    if agent.spec.lifecycle?.desired == .stopped { return .refused(reason: "it was stopped") }
    guard agent.isIdle else { return .starting }
    let next = (agent.spec.lifecycle?.restartCount ?? 0) + 1
    do throws(KubeError) {
      _ = try await cluster.merge(
        ClusterKinds.agents, key,
        [
          "metadata": ["uid": .string(seen.uid), "resourceVersion": .string(seen.resourceVersion)],
          "spec": ["lifecycle": ["restartCount": .int(next)]],
        ])
    } catch {
      // Somebody else has just changed it; the next request sees what they did.
      if error.kind == .conflict { return .starting }
      logger.warning("an agent could not be woken", metadata: ["agent": "\(key)", "error": "\(error.message)"])
      return .failed
    }
    let event = AuditEvent(
      time: configuration.clock.now(), component: .lifecycle, action: "wake", decision: .info,
      agent: seen.identity.map { AuditEvent.AgentRef(id: $0.id, name: $0.name.text, owner: $0.owner) }, details: ["by": "browser"])
    do throws(AuditUnavailable) { try audit.record(event) } catch {
      logger.error("an audit event was lost", metadata: ["action": "wake", "error": "\(error.why)"])
    }
    return .starting
  }
}

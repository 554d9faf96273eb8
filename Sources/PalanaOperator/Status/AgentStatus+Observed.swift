import PalanaAPI
import PalanaCore
import PalanaKube
import PalanaPlan

extension AgentStatus {
  /// Whether an agent has the right to read its own secrets; absent: it reads none.
  static let secretsReadable = "SecretsReadable"

  /// What is to be said of an agent, as a pure function of what was seen and done.
  static func observed(
    _ seen: SeenAgent, _ pass: Pass?, _ pod: PodState?, _ failure: PassFailure?, now: Timestamp
  ) -> AgentStatus {
    let before = seen.status
    var status = AgentStatus(phase: before?.phase ?? .pending)
    status.observedGeneration = seen.generation
    status.lastExit = pod?.lastExit ?? before?.lastExit
    status.restarts = pod?.restarts ?? before?.restarts ?? 0
    status.lastActivity = before?.lastActivity
    if let pod, pod.isRunning {
      status.address = pod.address
      status.startedAt = pod.startedAt
    }
    var ready = ("Pending", "")
    if let wish = pass?.wish {
      (status.phase, ready) = phase(wish, pod, status)
    } else if case .stalled(let reason, let message, _)? = failure, reason != "Paused" {
      status.phase = .failed
      ready = (reason, message)
    } else if let kept = before?.conditions?.first(where: { $0.type == "Ready" }) {
      ready = (kept.reason, kept.message)
    }
    var conditions = [("Ready", status.phase == .running, ready.0, ready.1), applied(failure)]
    if seen.isPaused { conditions.append(("Paused", true, "Annotated", "palana.dev/paused is set")) }
    if let problem = pass?.storageProblem { conditions.append(("StorageAsWanted", false, "Refused", problem)) }
    if let grant = pass?.grant {
      if let said = grant.condition { conditions.append((secretsReadable, said.isTrue, said.reason, said.message)) }
    } else if let kept = before?.conditions?.first(where: { $0.type == secretsReadable }) {
      conditions.append((secretsReadable, kept.status == .isTrue, kept.reason, kept.message))
    }
    status.conditions = conditions.map { type, isTrue, reason, message in
      let state: Condition.State = isTrue ? .isTrue : .isFalse
      let old = before?.conditions?.first { $0.type == type }
      let isSame = old?.status == state && old?.reason == reason
      return Condition(
        type: type, status: state, reason: reason, message: message,
        lastTransitionTime: isSame ? old?.lastTransitionTime ?? now : now)
    }
    return status
  }

  /// Whether everything in the cluster is as it is wanted.
  private static func applied(_ failure: PassFailure?) -> (String, Bool, String, String) {
    switch failure {
    case nil: ("Applied", true, "Applied", "")
    case .stalled(let reason, let message, _)?, .waiting(let reason, let message, _)?: ("Applied", false, reason, message)
    case .failed(let error)?:
      ("Applied", false, error.reason.isEmpty ? "RequestFailed" : error.reason, String(error.message.prefix(1_000)))
    }
  }

  private static func phase(_ wish: AgentWish, _ pod: PodState?, _ status: AgentStatus) -> (Phase, (String, String)) {
    if wish.isKilled { return (.killed, ("Killed", "cut off by a kill order")) }
    if wish.isStopped { return (.stopped, ("Stopped", pod == nil ? "" : "its process is ending")) }
    if wish.run.isIdle { return (.idle, ("Idle", "it did nothing for too long: pcli resume, or opening it in a browser, starts it")) }
    if wish.run.ended != nil {
      let exit = wish.ending ?? status.lastExit
      let message = exit.map { "its process ended with code \($0.code)" } ?? ""
      return exit?.code == 0 ? (.stopped, ("Completed", message)) : (.failed, (exit?.reason ?? "Error", message))
    }
    guard let pod else { return (.pending, ("Starting", "")) }
    if pod.isDeleting { return (.pending, ("Restarting", "")) }
    if pod.isRunning { return (.running, ("Running", "")) }
    return (.pending, pod.waiting.map { ($0.reason, String($0.message.prefix(1_000))) } ?? ("Starting", ""))
  }
}

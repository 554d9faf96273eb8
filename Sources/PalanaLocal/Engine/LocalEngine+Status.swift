import PalanaAPI
import PalanaCore
import PalanaPlan
import PalanaStore

extension LocalEngine {
  /// The one place that writes an agent's status.
  func writeStatus(
    _ situation: Situation, phase: AgentStatus.Phase, waiting: Duration? = nil
  ) async throws(PalanaError) {
    let id = situation.key.id
    let memory = self.memory.read(id)
    let state = runtime.state(of: id)
    // What stands there now, not what stood there when the round began: the round may have written the end of the last run itself.
    let previous = try await store.get(AgentSpec.self, owner: situation.key.owner, name: situation.key.name).status
    var status = previous ?? AgentStatus(phase: phase)
    status.observedGeneration = situation.agent.metadata.generation
    status.address = live[id]?.address
    status.restarts = memory?.restarts ?? 0
    if let active = configuration.activity(id) { status.lastActivity = max(active, status.lastActivity ?? active) }
    status.startedAt = nil
    status.usage = nil
    switch state {
    case .running(let running):
      status.startedAt = running.startedAt
      if phase == .running, let usage = try? await runtime.usage(of: id) {
        status.usage = AgentStatus.Usage(
          memoryBytes: usage.memoryBytes, cpuSeconds: usage.cpuSeconds, pids: usage.pids, dataBytes: usage.dataBytes)
        status.oomKills = usage.oomKills
      }
    case .exited(let exit):
      status.lastExit = AgentStatus.LastExit(code: Int(exit.code), reason: exit.reason.rawValue, time: exit.time)
      status.oomKills = exit.oomKills
    case .absent: break
    }
    if let failure = memory?.startFailure, phase != .running, memory?.uid == situation.agent.metadata.uid {
      let message = failure.hint.isEmpty ? failure.message : "\(failure.message): \(failure.hint)"
      status.lastExit = AgentStatus.LastExit(code: 1, reason: "StartFailed", time: failure.time, message: message)
    }
    // As late as possible: a round that began before a kill must not write over what the kill wrote.
    status.phase = contained.contains(id) ? .killed : phase
    status.conditions = [ready(situation, status: status, previous: previous, waiting: waiting)]
    if let escalated = escalated(situation, memory) { status.conditions?.append(escalated) }
    _ = try await store.updateStatus(
      AgentSpec.self, owner: situation.key.owner, name: situation.key.name, uid: situation.agent.metadata.uid ?? "",
      status: status)
  }

  private func ready(
    _ situation: Situation, status: AgentStatus, previous: AgentStatus?, waiting: Duration?
  ) -> Condition {
    let reason: String
    var message = ""
    switch status.phase {
    case .running: reason = "Running"
    case .pending:
      if let waiting {
        reason = "BackOff"
        message = "starts again in \(max(1, waiting.components.seconds)) s"
        if let exit = status.lastExit { message += ", its last run ended with \(exit.reason) (\(exit.code))" }
      } else {
        reason = "Starting"
        message = progress[situation.key.id] ?? ""
      }
    case .stopped: reason = status.lastExit?.reason == "Completed" ? "Completed" : "Stopped"
    case .idle:
      reason = "Idle"
      message = "it did nothing for too long: ‘pcli resume’ starts it, as does a command in it"
    case .failed:
      reason = status.lastExit?.reason ?? "Failed"
      message = status.lastExit?.message ?? status.lastExit.map { "its process ended with code \($0.code)" } ?? ""
    case .killed:
      reason = "Killed"
      message = "cut off by a kill order: ‘pcli unkill’ lets it back"
    }
    let state: Condition.State = status.phase == .running ? .isTrue : .isFalse
    let previous = previous?.conditions?.first { $0.type == "Ready" }
    let changed = previous?.status != state || previous?.reason != reason
    return Condition(
      type: "Ready", status: state, reason: reason, message: message,
      lastTransitionTime: changed ? configuration.clock.now() : previous?.lastTransitionTime ?? configuration.clock.now())
  }
}

package import PalanaAPI
package import PalanaControlAPI
package import PalanaCore
import PalanaStore

/// What a wait is for.
package struct WaitCondition: Hashable, Sendable {
  /// Any of these phases.
  package var phases: Set<AgentStatus.Phase>
  /// The end of a run, at this time or later.
  package var exitAfter: Timestamp?

  package init(phases: Set<AgentStatus.Phase> = [], exitAfter: Timestamp? = nil) {
    self.phases = phases
    self.exitAfter = exitAfter
  }

  /// The answer for an agent in this state; nil: not yet. Pure.
  package func met(by agent: Agent) -> WaitResult? {
    let status = agent.status
    if let phase = status?.phase, phases.contains(phase) {
      return WaitResult(phase: phase, lastExit: status?.lastExit, reached: true)
    }
    guard let exitAfter else { return nil }
    if let exit = status?.lastExit, exit.time >= exitAfter {
      return WaitResult(phase: status?.phase, exitCode: exit.code, lastExit: exit, reached: true)
    }
    // No exit will come: it was stopped before it began, or is kept from running. Only a status that has seen the
    // present spec may say so.
    guard let phase = status?.phase, (status?.observedGeneration ?? 0) >= (agent.metadata.generation ?? 0) else {
      return nil
    }
    let isOver = phase == .killed || phase == .stopped && agent.spec.lifecycle?.desired == .stopped
    return isOver ? WaitResult(phase: phase, lastExit: status?.lastExit, reached: true) : nil
  }
}

extension AgentService {
  /// Waits until the condition is met or the time is over.
  ///
  /// - Throws: ``PalanaError`` with code `notFound` when the agent is, or goes, missing; `unreachable` when the daemon
  ///   shuts down.
  package func wait(
    _ name: String, for condition: WaitCondition, atMost limit: Duration, owner: UserIdentity?, by caller: Caller
  ) async throws(PalanaError) -> WaitResult {
    // The watch begins before the first look, so that no change falls between the two.
    let changes = store.watch()
    let first = try await resources.access.find(AgentSpec.self, named: name, owner: owner, by: caller)
    if let result = condition.met(by: first) { return result }
    let target = try first.requireOwner()
    let outcome = await withTaskGroup(of: Result<WaitResult, PalanaError>?.self) { group in
      group.addTask {
        for await change in changes {
          let concerns =
            change.event == .resync
            || change.kind == AgentSpec.kind && change.owner == target && change.name == first.metadata.name
          guard concerns else { continue }
          do throws(PalanaError) {
            let agent = try await resources.access.find(AgentSpec.self, named: name, owner: target, by: caller)
            if let result = condition.met(by: agent) { return .success(result) }
          } catch {
            return .failure(error)
          }
        }
        return .failure(PalanaError(.unreachable, "the daemon is shutting down"))
      }
      group.addTask {
        try? await timer.sleep(for: limit)
        return nil
      }
      let first = await group.next() ?? nil
      group.cancelAll()
      return first
    }
    if let outcome { return try outcome.get() }
    let last = try await resources.access.find(AgentSpec.self, named: name, owner: target, by: caller)
    return condition.met(by: last)
      ?? WaitResult(phase: last.status?.phase, lastExit: last.status?.lastExit, reached: false)
  }
}

import Logging
import PalanaAPI
package import PalanaCore
import PalanaStore

/// Runs of agents as others see them: that one ended, and that one is taken for stuck.
extension LocalEngine {
  /// Tells of the run whose process has ended. A run is told of in every round until the next one begins: who listens takes it once.
  func reportEnd(_ situation: Situation) {
    guard case .exited(let exit) = runtime.state(of: situation.key.id), let memory = situation.memory, let run = memory.run else { return }
    configuration.runEnded(
      EndedRun(agent: situation.key.id, run: run, isSuccess: exit.reason == .completed && exit.code == 0 && !memory.endedByEngine))
  }

  /// Of an agent that goes there is no run any more.
  func reportRemoval(of id: AgentID) {
    escalations[id] = nil
    guard let run = memory.read(id)?.run else { return }
    configuration.runEnded(EndedRun(agent: id, run: run, isSuccess: false))
  }

  /// Marks a run of an agent as `Escalated`, until its next one. Does nothing when it is not the present or the last run. Idempotent.
  ///
  /// - Parameters:
  ///   - reason: one CamelCase word.
  ///   - message: a sentence for people.
  package func escalate(_ id: AgentID, run: String, reason: String, message: String) async {
    let escalation = EngineMemory.Escalation(reason: reason, message: message, time: configuration.clock.now())
    if var remembered = memory.read(id), remembered.run == run {
      guard remembered.escalation == nil else { return }
      remembered.escalation = escalation
      do throws(PalanaError) { try memory.write(remembered, for: id) } catch {
        logger.error("a run is stuck, and that cannot be remembered", metadata: ["agent.id": "\(id)", "error": "\(error)"])
        escalations[id] = (run, escalation)
      }
    } else if live[id]?.run == run {
      // Its start is not written down yet.
      escalations[id] = (run, escalation)
    } else {
      return
    }
    if let key = await key(of: id) { await queue.add(key) }
  }

  /// What was said of the run while it was being started.
  func takeEscalation(of id: AgentID, run: String?) -> EngineMemory.Escalation? {
    guard let (said, escalation) = escalations.removeValue(forKey: id), said == run else { return nil }
    return escalation
  }

  func escalated(_ situation: Situation, _ memory: EngineMemory?) -> Condition? {
    let id = situation.key.id
    guard memory?.uid == situation.agent.metadata.uid else { return nil }
    var escalation = memory?.escalation
    if let (run, said) = escalations[id], run == memory?.run { escalation = escalation ?? said }
    return escalation.map {
      Condition(type: Condition.escalated, status: .isTrue, reason: $0.reason, message: $0.message, lastTransitionTime: $0.time)
    }
  }

  /// Where the agent stands in the store, whether it runs or not.
  private func key(of id: AgentID) async -> Key? {
    if let facts = live[id] { return Key(owner: facts.owner, name: facts.name) }
    for agent in (try? await store.list(AgentSpec.self, owner: nil)) ?? [] {
      if let owner = agent.spec.owner, AgentID(owner: owner, name: agent.metadata.name) == id {
        return Key(owner: owner, name: agent.metadata.name)
      }
    }
    return nil
  }
}

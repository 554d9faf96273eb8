import Crypto
import Foundation
import Logging
import PalanaAPI
import PalanaCore
import PalanaPlan
import PalanaStore

extension LocalEngine {
  /// Everything gathered about one agent before deciding.
  struct Situation {
    var key: Key
    var agent: Agent
    var template: AgentTemplate?
    var effective: EffectiveAgentSpec
    var wish: LifecycleWish
    var memory: EngineMemory?
  }

  /// One round for one agent. Never throws: an error becomes its status, and a later round.
  func reconcile(_ key: Key) async {
    do throws(PalanaError) {
      guard let situation = try await situation(of: key) else {
        try await forget(key)
        return
      }
      try await act(on: situation)
    } catch {
      logger.error(
        "agent could not be reconciled", metadata: ["agent.id": "\(key.id)", "error": "\(error)"])
      await queue.add(key, after: .seconds(5))
    }
  }

  private func act(on situation: Situation) async throws(PalanaError) {
    let id = situation.key.id
    reportEnd(situation)
    let decision = LifecycleDecision.next(
      wish: situation.wish, memory: situation.memory, sandbox: runtime.state(of: id),
      policy: configuration.restartPolicy, now: configuration.clock.now())
    switch decision {
    case .delete:
      try await delete(situation)
    case .stop(let isKill, let phase):
      try await stop(situation, isKill: isKill)
      try await writeStatus(situation, phase: phase)
    case .restart:
      try await stop(situation, isKill: false)
      try await start(situation, failures: 0, restarts: 0)
    case .start(let failures, let restarts):
      try await start(situation, failures: failures, restarts: restarts)
    case .rest(let phase):
      if phase != .running { try await withdraw(situation.key) }
      try await writeStatus(situation, phase: phase)
    case .wait(let delay, _):
      try await withdraw(situation.key)
      try await writeStatus(situation, phase: .pending, waiting: delay)
      await queue.add(situation.key, after: delay)
    }
  }

  /// Reads what is wanted of an agent; nil: it does not exist.
  func situation(of key: Key) async throws(PalanaError) -> Situation? {
    let agent: Agent
    do {
      agent = try await store.get(AgentSpec.self, owner: key.owner, name: key.name)
    } catch {
      if error.code == .notFound { return nil }
      throw error
    }
    var template: AgentTemplate?
    if let name = agent.spec.effectiveTemplateName {
      template = try await self.template(named: name)
    }
    let effective = try agent.spec.effective(template: template?.spec)
    let orders = try await store.list(KillOrderSpec.self, owner: nil)
    var memory = memory.read(key.id)
    // The agent was deleted and made again: the memory is of its predecessor.
    if memory?.uid != agent.metadata.uid { memory = nil }
    let isKilled = contained.contains(key.id) || orders.contains { $0.spec.target.covers(agent) }
    if isKilled { contained.insert(key.id) }
    return Situation(
      key: key, agent: agent, template: template, effective: effective,
      wish: LifecycleWish(
        desired: effective.desired, restart: effective.restart, restartCount: effective.restartCount,
        processFingerprint: Self.fingerprint(effective), isKilled: isKilled,
        isIdle: agent.isIdle, isDeleted: agent.metadata.deletionTimestamp != nil),
      memory: memory)
  }

  private func template(named text: String) async throws(PalanaError) -> AgentTemplate? {
    let name = try ResourceName(text)
    do {
      return try await store.get(AgentTemplateSpec.self, owner: nil, name: name)
    } catch {
      guard error.code == .notFound else { throw error }
      // A template that was deleted while agents use it: they rest, and say why.
      return nil
    }
  }

  /// Changes when, and only when, something changes that needs a new process.
  private static func fingerprint(_ spec: EffectiveAgentSpec) -> String {
    var hash = SHA256()
    func add(_ text: String) { hash.update(data: Array("\(text.utf8.count):\(text);".utf8)) }
    add("\(spec.image)")
    spec.command.forEach(add)
    add(spec.workingDirectory)
    for (name, value) in spec.env.sorted(by: { $0.key < $1.key }) {
      add(name)
      add(value)
    }
    add("\(spec.cpu) \(spec.memory) \(spec.pids) \(spec.storage)")
    return hash.finalize().prefix(16).map { String($0, radix: 16) }.joined(separator: ".")
  }

  /// The agent left the store without passing through deletion (the daemon was down): removes what is left.
  private func forget(_ key: Key) async throws(PalanaError) {
    reportRemoval(of: key.id)
    try await withdraw(key)
    if case .running = runtime.state(of: key.id) { _ = try await runtime.kill(key.id) }
    if runtime.state(of: key.id) != .absent { try await runtime.remove(key.id, purge: false) }
    memory.remove(key.id)
    try await configuration.release(key.id)
    contained.remove(key.id)
    // A cut outlives the network it was made for; a new agent of this name starts without it.
    try await network.restore([key.id])
  }

  private func delete(_ situation: Situation) async throws(PalanaError) {
    let key = situation.key
    try await stop(situation, isKill: false)
    reportRemoval(of: key.id)
    let purge = situation.agent.metadata.annotations?[EngineAnnotation.purge] == "true"
    try await runtime.remove(key.id, purge: purge)
    if purge { try await configuration.purgeSecrets(key.owner, key.name) }
    memory.remove(key.id)
    try await configuration.release(key.id)
    contained.remove(key.id)
    // A cut outlives the network it was made for; a new agent of this name starts without it.
    try await network.restore([key.id])
    try await store.remove(AgentSpec.self, owner: key.owner, name: key.name, uid: situation.agent.metadata.uid ?? "")
    record(situation, action: "delete", details: ["purged": "\(purge)"])
  }
}

/// Annotations through which the control plane speaks to the engine.
package enum EngineAnnotation {
  /// `true`: a deletion removes `/data` and the secrets too.
  package static let purge = "palana.dev/purge"
}

import Logging
import PalanaAPI
import PalanaAudit
package import PalanaCore
import PalanaPlan
import PalanaStore

extension LocalEngine {
  /// Brings an agent's process up: network first, then the gateway's knowledge of it, then its secrets, then the sandbox.
  func start(_ situation: Situation, failures: Int, restarts: Int) async throws(PalanaError) {
    let id = situation.key.id
    var memory = EngineMemory(
      uid: situation.agent.metadata.uid ?? "", restartCount: situation.wish.restartCount,
      processFingerprint: situation.wish.processFingerprint, endedByEngine: false, failures: failures,
      restarts: restarts, oomKills: situation.memory?.oomKills ?? 0, startFailure: nil, run: RandomToken.hex(bytes: 8))
    escalations[id] = nil
    try await writeStatus(situation, phase: .pending)
    do throws(PalanaError) {
      try await startSandbox(situation, run: memory.run ?? "")
      memory.escalation = takeEscalation(of: id, run: memory.run)
      try self.memory.write(memory, for: id)
    } catch {
      progress[id] = nil
      try? await withdraw(situation.key)
      memory.startFailure = EngineMemory.StartFailure(
        message: error.message, hint: error.hint,
        isFinal: [.invalid, .notFound, .denied].contains(error.code), time: configuration.clock.now())
      try self.memory.write(memory, for: id)
      record(situation, action: "start", decision: .error, reason: error.code.rawValue, details: ["message": error.message])
      await queue.add(situation.key)
      return
    }
    progress[id] = nil
    // A kill that came while the sandbox was being made wins.
    if contained.contains(id) {
      _ = try? await runtime.kill(id)
      try await withdraw(situation.key)
      await queue.add(situation.key)
      return
    }
    record(situation, action: "start", details: ["restarts": "\(restarts)"])
    var present = situation
    present.memory = memory
    try await writeStatus(present, phase: .running)
  }

  private func startSandbox(_ situation: Situation, run: String) async throws(PalanaError) {
    let key = situation.key
    let id = key.id
    if let name = situation.agent.spec.effectiveTemplateName, situation.template == nil {
      throw PalanaError(.notFound, "there is no template ‘\(name)’", hint: "pcli templates list shows them")
    }
    let bindings = try await store.list(SecretBindingSpec.self, owner: key.owner)
    let allocation = configuration.allocation(index: try await configuration.allocate(id))
    let plan = try Planner.plan(
      agent: situation.agent, template: situation.template, bindings: bindings, allocation: allocation,
      platform: configuration.platform)
    let files =
      plan.readableSecrets.isEmpty
      ? [:] : try await configuration.readableSecrets(key.owner, key.name, plan.readableSecrets)
    guard !contained.contains(id) else { throw PalanaError(.denied, "agent ‘\(key.name)’ is killed") }

    preparing[id] = allocation.address
    defer { preparing[id] = nil }
    let handle = try await network.prepare(id, address: allocation.address)
    live[id] = LiveAgentFacts(name: key.name, owner: key.owner, uid: plan.uid, address: allocation.address, run: run)
    try await configuration.publish(live)
    try await applyPeers()
    let reporter = progressReporter
    _ = try await runtime.start(
      SandboxStart(
        plan: plan, platform: configuration.platform, proxyToken: configuration.proxyToken(plan.uid),
        networkNamespace: handle.namespacePath, secretFiles: files),
      progress: { text in reporter.yield((key, text)) })
  }

  /// Ends an agent's process and takes its network away.
  func stop(_ situation: Situation, isKill: Bool) async throws(PalanaError) {
    let id = situation.key.id
    if case .running = runtime.state(of: id) {
      var memory =
        situation.memory
        ?? EngineMemory(
          uid: situation.agent.metadata.uid ?? "", restartCount: situation.wish.restartCount,
          processFingerprint: situation.wish.processFingerprint, endedByEngine: true, failures: 0, restarts: 0,
          oomKills: 0, startFailure: nil)
      memory.endedByEngine = true
      // It may have been taken for stuck since this round began.
      if let present = self.memory.read(id), present.run == memory.run { memory.escalation = present.escalation }
      try self.memory.write(memory, for: id)
      let exit = isKill ? try await runtime.kill(id) : try await runtime.stop(id, grace: .seconds(10))
      if let exit {
        record(situation, action: isKill ? "killed" : "stop", details: ["code": "\(exit.code)", "reason": exit.reason.rawValue])
      }
    }
    try await withdraw(situation.key)
  }

  /// Takes an agent out of the gateways' tables and the network, in this order, so that nothing of it gets through meanwhile.
  func withdraw(_ key: Key) async throws(PalanaError) {
    guard live.removeValue(forKey: key.id) != nil else { return }
    try await configuration.publish(live)
    try await network.release(key.id)
  }

  /// Writes a lifecycle event. Losing one is logged: an agent that cannot be stopped because the disk is full would be worse.
  func record(
    _ situation: Situation, action: String, decision: AuditEvent.Decision = .info, reason: String? = nil,
    details: [String: String] = [:]
  ) {
    let key = situation.key
    do {
      try audit.record(
        AuditEvent(
          time: configuration.clock.now(), component: .lifecycle, action: action, decision: decision, reason: reason,
          agent: AuditEvent.AgentRef(id: key.id, name: key.name.text, owner: key.owner), details: details))
    } catch {
      logger.error("lifecycle event lost", metadata: ["agent.id": "\(key.id)", "action": "\(action)"])
    }
  }
}

/// The compute plane of a kill: processes end, and none starts.
extension LocalEngine: ContainmentPlane {
  package nonisolated var name: String { "compute" }

  package func cut(_ agents: Set<AgentID>) async throws(PalanaError) {
    contained.formUnion(agents)
    let runtime = self.runtime
    let failure = await withTaskGroup(of: PalanaError?.self) { group in
      for id in agents {
        guard case .running = runtime.state(of: id) else { continue }
        if var memory = memory.read(id) {
          memory.endedByEngine = true
          try? self.memory.write(memory, for: id)
        }
        group.addTask {
          do throws(PalanaError) {
            _ = try await runtime.kill(id)
            return nil
          } catch {
            return error
          }
        }
      }
      var first: PalanaError?
      for await error in group { first = first ?? error }
      return first
    }
    await showCut(agents)
    if let failure { throw failure }
  }

  /// Whoever gave the order and looks at once sees the new state. A status that cannot be written now is written by the next round.
  private func showCut(_ agents: Set<AgentID>) async {
    for agent in (try? await store.list(AgentSpec.self, owner: nil)) ?? [] {
      guard let owner = agent.spec.owner else { continue }
      let key = Key(owner: owner, name: agent.metadata.name)
      guard agents.contains(key.id), let situation = try? await situation(of: key) else { continue }
      do throws(PalanaError) {
        try await writeStatus(situation, phase: .killed)
      } catch {
        await queue.add(key)
      }
    }
  }

  package func restore(_ agents: Set<AgentID>) async throws(PalanaError) {
    contained.subtract(agents)
    for agent in try await store.list(AgentSpec.self, owner: nil) {
      guard let owner = agent.spec.owner else { continue }
      let key = Key(owner: owner, name: agent.metadata.name)
      if agents.contains(key.id) { await queue.add(key) }
    }
  }
}

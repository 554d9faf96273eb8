package import Logging
import PalanaAPI
package import PalanaAudit
package import PalanaCore
import PalanaPlan
package import PalanaStore
import ServiceLifecycle

/// The engine of one machine: observes the store, and brings every agent from what is wanted to what is.
///
/// One agent is worked on by one worker at a time; different agents in parallel. All knowledge is either in the store, in the
/// sandbox folders, or in ``EngineMemory``, so a restart of the daemon goes on where the last one was.
package actor LocalEngine {
  /// What identifies an agent in the store.
  struct Key: Hashable, Sendable {
    var owner: UserIdentity
    var name: ResourceName
    var id: AgentID { AgentID(owner: owner, name: name) }
  }

  let configuration: LocalEngineConfiguration
  let store: any ResourceStore
  let runtime: SandboxRuntime
  let network: AgentNetwork
  let audit: any AuditSink
  let memory: EngineMemoryStore
  let logger: Logger
  let queue = WorkQueue<Key>()

  /// Agents that have a network, and so a place in the gateways' tables.
  var live: [AgentID: LiveAgentFacts] = [:]
  /// Agents whose network is being made, with their addresses.
  var preparing: [AgentID: IPAddress] = [:]
  /// Agents that a kill has cut off: nothing of theirs is started until they are restored, whatever the store says at that moment.
  var contained: Set<AgentID> = []
  /// Runs that were taken for stuck before their start was remembered.
  var escalations: [AgentID: (run: String, EngineMemory.Escalation)] = [:]
  /// Progress of starts that take long, for the status.
  var progress: [AgentID: String] = [:]
  let progressReports: AsyncStream<(Key, String)>
  let progressReporter: AsyncStream<(Key, String)>.Continuation

  package init(
    configuration: LocalEngineConfiguration, store: any ResourceStore, runtime: SandboxRuntime, network: AgentNetwork,
    audit: any AuditSink, logger: Logger
  ) {
    self.configuration = configuration
    self.store = store
    self.runtime = runtime
    self.network = network
    self.audit = audit
    self.logger = logger
    memory = EngineMemoryStore(folder: configuration.agentsFolder)
    (progressReports, progressReporter) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(64))
  }

  /// Finds what already runs, adopts it and removes what belongs to nobody. Call it once, before ``run()``, with firewall and gateway up.
  ///
  /// - Throws: ``PalanaError`` when the store or the network cannot be read.
  package func recover() async throws(PalanaError) {
    let agents = try await store.list(AgentSpec.self, owner: nil)
    let orders = try await store.list(KillOrderSpec.self, owner: nil)
    var known: Set<AgentID> = []
    for agent in agents {
      guard let owner = agent.spec.owner, let uid = agent.metadata.uid else { continue }
      let id = AgentID(owner: owner, name: agent.metadata.name)
      known.insert(id)
      if orders.contains(where: { $0.spec.target.covers(agent) }) { contained.insert(id) }
      guard case .running = runtime.state(of: id), !contained.contains(id) else { continue }
      let allocation = configuration.allocation(index: try await configuration.allocate(id))
      let remembered = memory.read(id)
      let run = remembered?.uid == uid ? remembered?.run ?? "" : ""
      live[id] = LiveAgentFacts(name: agent.metadata.name, owner: owner, uid: uid, address: allocation.address, run: run)
    }
    for (id, state) in runtime.list() where !known.contains(id) {
      logger.warning("sandbox of no agent removed", metadata: ["agent.id": "\(id)"])
      if case .running = state { _ = try? await runtime.kill(id) }
      try? await runtime.remove(id, purge: false)
    }
    try await configuration.publish(live)
    try await reconcileNetwork()
    logger.info(
      "agents recovered", metadata: ["agents": "\(agents.count)", "running": "\(live.count)"])
  }

  /// Those that run, and those whose network is being made: it must not be taken for one that nobody wants.
  private var desiredNetworks: [AgentNetworkDesire] {
    let running = live.map { id, facts in AgentNetworkDesire(agent: id, address: facts.address, isCut: contained.contains(id)) }
    let pending = preparing.filter { live[$0.key] == nil }
    return running + pending.map { AgentNetworkDesire(agent: $0.key, address: $0.value, isPending: true) }
  }

  /// Brings back what a drift took away: interfaces, sets, rules.
  func reconcileNetwork() async throws(PalanaError) {
    let report = try await network.reconcile { [self] in await desiredNetworks }
    for repair in report.repairs {
      logger.warning("network repaired", metadata: ["repair": "\(repair)"])
      // The sandbox still lives in the namespace that is gone: only a new start connects it again.
      if case .namespace(let id) = repair { try await restartInNewNamespace(id) }
    }
    for (id, error) in report.failures {
      logger.error("network of an agent is broken", metadata: ["agent.id": "\(id)", "error": "\(error)"])
    }
    try await applyPeers()
  }

  private func restartInNewNamespace(_ id: AgentID) async throws(PalanaError) {
    guard let facts = live[id], case .running = runtime.state(of: id), var remembered = memory.read(id) else { return }
    remembered.endedByEngine = true
    try memory.write(remembered, for: id)
    _ = try await runtime.kill(id)
    await queue.add(Key(owner: facts.owner, name: facts.name))
  }

  /// Turns the peering rules into what the firewall holds: live pairs only.
  func applyPeers() async throws(PalanaError) {
    var peers: Set<PeerRule> = []
    for rule in try await store.list(PeeringRuleSpec.self, owner: nil) {
      guard let owner = rule.spec.owner, rule.metadata.deletionTimestamp == nil,
        let from = try? ResourceName(rule.spec.from), let to = try? ResourceName(rule.spec.to)
      else { continue }
      let source = AgentID(owner: owner, name: from)
      let target = AgentID(owner: owner, name: to)
      guard live[source] != nil, live[target] != nil else { continue }
      for port in rule.spec.ports {
        if let port = UInt16(exactly: port) { peers.insert(PeerRule(from: source, to: target, port: port)) }
      }
    }
    try await network.setPeers(peers)
  }
}

extension LocalEngine: Service {
  /// Works until the task is cancelled or a graceful shutdown begins. Running agents stay running.
  package func run() async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      let queue = self.queue
      for _ in 0..<configuration.workers { group.addTask { await self.work() } }
      group.addTask { await queue.runTimer() }
      group.addTask { await self.observeStore() }
      group.addTask { await self.observeExits() }
      group.addTask { await self.observeProgress() }
      group.addTask { await self.keepTicking() }
      group.addTask {
        // Ends by graceful shutdown or by cancellation; both mean the same here.
        try? await gracefulShutdown()
        await queue.shutDown()
      }
      await queueEverything()
      // Whatever ends first ends all: workers when the queue is shut down, observers by cancellation.
      try await group.next()
      await queue.shutDown()
      group.cancelAll()
      try await group.waitForAll()
    }
  }

  private func work() async {
    while let key = await queue.next() {
      await reconcile(key)
      await queue.finish(key)
    }
  }

  private func queueEverything() async {
    do {
      for agent in try await store.list(AgentSpec.self, owner: nil) {
        if let owner = agent.spec.owner { await queue.add(Key(owner: owner, name: agent.metadata.name)) }
      }
    } catch {
      logger.error("agents could not be listed", metadata: ["error": "\(error)"])
    }
  }

  private func observeStore() async {
    for await change in store.watch() {
      switch change.kind {
      case AgentSpec.kind:
        if change.event != .statusModified, let owner = change.owner, let name = change.name {
          await queue.add(Key(owner: owner, name: name))
        }
      case PeeringRuleSpec.kind:
        do { try await applyPeers() } catch {
          logger.error("peering rules could not be applied", metadata: ["error": "\(error)"])
        }
      case SecretBindingSpec.kind:
        await refreshSecrets(change)
      case KillOrderSpec.kind, AgentTemplateSpec.kind, "":
        await queueEverything()
      default: break
      }
    }
  }

  private func observeExits() async {
    for await exit in runtime.exits() {
      guard let facts = live[exit.id] else { continue }
      await queue.add(Key(owner: facts.owner, name: facts.name))
    }
  }

  private func observeProgress() async {
    for await (key, text) in progressReports {
      progress[key.id] = text
      guard let situation = try? await situation(of: key), live[key.id] != nil else { continue }
      if case .running = runtime.state(of: key.id) { continue }
      try? await writeStatus(situation, phase: .pending)
    }
  }

  private func keepTicking() async {
    while !Task.isCancelled {
      do { try await Task.sleep(for: configuration.tick, clock: .continuous) } catch { return }
      do {
        try await reconcileNetwork()
        try await configuration.publish(live)
      } catch {
        logger.error("networks could not be compared with what they should be", metadata: ["error": "\(error)"])
      }
      for facts in live.values { await queue.add(Key(owner: facts.owner, name: facts.name)) }
    }
  }

  /// A secret changed: a running agent that reads its secrets itself gets the new files.
  private func refreshSecrets(_ change: StoreChange) async {
    guard let owner = change.owner, let name = change.name,
      let binding = try? await store.get(SecretBindingSpec.self, owner: owner, name: name),
      binding.spec.access == .agentReadable, let agent = try? ResourceName(binding.spec.agent)
    else { return }
    let key = Key(owner: owner, name: agent)
    guard case .running = runtime.state(of: key.id) else { return }
    do {
      let files = try await readableSecrets(of: key)
      try await runtime.updateSecrets(of: key.id, files: files)
    } catch {
      logger.error("secret files could not be renewed", metadata: ["agent.id": "\(key.id)", "error": "\(error)"])
    }
  }

  func readableSecrets(of key: Key) async throws(PalanaError) -> [String: Redacted<[UInt8]>] {
    let bindings = try await store.list(SecretBindingSpec.self, owner: key.owner)
    let names = bindings.filter { $0.spec.agent == key.name.text && $0.spec.access == .agentReadable }.map(\.spec.secret)
    return names.isEmpty ? [:] : try await configuration.readableSecrets(key.owner, key.name, names)
  }
}

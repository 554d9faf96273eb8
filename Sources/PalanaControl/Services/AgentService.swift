package import PalanaAPI
import PalanaAudit
package import PalanaControlAPI
package import PalanaCore
package import PalanaPlan
package import PalanaStore

/// Starts, stops, deletes and reaches into agents. What it wants of the engine's long work it writes to the store.
package struct AgentService: Sendable {
  let store: any ResourceStore
  let engine: any AgentEngine
  let resources: ResourceService
  let secrets: SecretService
  let trail: AuditTrail
  let clock: WallClock
  let timer: any Clock<Duration>
  let activity: ActivityBook

  package init(
    store: any ResourceStore, engine: any AgentEngine, resources: ResourceService, secrets: SecretService,
    trail: AuditTrail, clock: WallClock, timer: any Clock<Duration> = ContinuousClock(), activity: ActivityBook = ActivityBook()
  ) {
    self.store = store
    self.engine = engine
    self.resources = resources
    self.secrets = secrets
    self.trail = trail
    self.clock = clock
    self.timer = timer
    self.activity = activity
  }

  /// Wants the agent stopped; its data stays.
  package func stop(_ name: String, owner: UserIdentity?, by caller: Caller) async throws(PalanaError) -> Agent {
    try await resources.modify(AgentSpec.self, named: name, owner: owner, by: caller, action: "stop") { agent in
      guard agent.spec.lifecycle?.desired != .stopped else { return false }
      agent.spec.lifecycle = Self.lifecycle(agent, desired: .stopped)
      return true
    }
  }

  /// Wants the agent running again: after a stop, after it ended, after it was stopped for idleness.
  package func resume(_ name: String, owner: UserIdentity?, by caller: Caller) async throws(PalanaError) -> Agent {
    try await resources.modify(
      AgentSpec.self, named: name, owner: owner, by: caller, action: "resume"
    ) { (agent) async throws(PalanaError) in
      try await refuseKilled(agent)
      guard !Self.isUp(agent) else { return false }
      Self.wake(&agent)
      return true
    }
  }

  /// Ends the present run, if there is one, and starts a new one.
  package func restart(_ name: String, owner: UserIdentity?, by caller: Caller) async throws(PalanaError) -> Agent {
    try await resources.modify(
      AgentSpec.self, named: name, owner: owner, by: caller, action: "restart"
    ) { (agent) async throws(PalanaError) in
      try await refuseKilled(agent)
      agent.spec.lifecycle = Self.lifecycle(agent, desired: .running, anew: true)
      return true
    }
  }

  /// Starts an agent, creating it when there is none of this name.
  ///
  /// - Throws: ``PalanaError``: `conflict` when it runs with something else than what is asked, or is killed.
  package func run(
    _ name: String, _ request: RunRequest, owner: UserIdentity?, by caller: Caller
  ) async throws(PalanaError) -> RunResult {
    let target = try resources.access.owner(owner, by: caller)
    let at = clock.now()
    do {
      _ = try await resources.access.find(AgentSpec.self, named: name, owner: target, by: caller)
    } catch {
      guard error.code == .notFound else { throw error }
      let new = RunChange.newAgent(try ResourceName(name), owner: target, request)
      try await refuseKilled(new)
      return RunResult(
        action: .created, agent: try await resources.create(new, owner: target, by: caller, action: "run"), at: at)
    }
    let action = SharedAction()
    let agent = try await resources.modify(
      AgentSpec.self, named: name, owner: target, by: caller, action: "run"
    ) { (agent) async throws(PalanaError) in
      try await refuseKilled(agent)
      let changed = RunChange.apply(request, to: &agent.spec)
      guard !Self.isUp(agent) else {
        guard !changed else {
          throw PalanaError(
            .conflict, "the agent ‘\(name)’ runs with other settings",
            hint: "stop it first: pcli stop \(name)")
        }
        action.set(.unchanged)
        return false
      }
      Self.wake(&agent)
      action.set(.started)
      return true
    }
    return RunResult(action: action.value, agent: agent, at: at)
  }

  /// Marks the agent for deletion; the engine cleans up and removes it.
  ///
  /// - Parameter purge: its secrets, data and logs go as well.
  package func delete(
    _ name: String, purge: Bool, owner: UserIdentity?, by caller: Caller
  ) async throws(PalanaError) -> DeleteResult {
    let target = try resources.access.owner(owner, by: caller)
    let agent = try await resources.access.find(AgentSpec.self, named: name, owner: target, by: caller)
    try trail.allow(
      .lifecycle, "delete", by: caller, agent: try agent.reference(), details: ["purge": String(purge)])
    if purge {
      // Secrets first: if this fails the agent is still there, and the deletion can be asked for again.
      try await secrets.removeAll(owner: target, agent: agent.metadata.name)
      try await mark(purge: agent, owner: target)
    }
    if agent.metadata.deletionTimestamp == nil {
      _ = try await store.markDeleted(AgentSpec.self, owner: target, name: agent.metadata.name)
      // What is being deleted sends nothing more, however long the rest takes.
      try await resources.gateway.refresh()
    }
    return DeleteResult(kind: AgentSpec.kind, name: name, done: false)
  }

  private func mark(purge agent: Agent, owner: UserIdentity) async throws(PalanaError) {
    for attempt in 1...5 {
      var present: Agent = try await store.get(AgentSpec.self, owner: owner, name: agent.metadata.name)
      present.metadata.annotations = (present.metadata.annotations ?? [:])
        .merging([ControlAnnotation.purge: "true"]) { _, new in new }
      do {
        _ = try await store.update(present)
        return
      } catch {
        guard error.code == .conflict, attempt < 5 else { throw error }
      }
    }
  }

  /// - Throws: ``PalanaError`` with code `conflict` while an order keeps the agent killed.
  func refuseKilled(_ agent: Agent) async throws(PalanaError) {
    let orders = try await store.list(KillOrderSpec.self, owner: nil)
    guard let order = orders.first(where: { $0.spec.target.covers(agent) }) else { return }
    throw PalanaError(
      .conflict, "the agent ‘\(agent.metadata.name)’ is killed by order \(order.metadata.name): \(order.spec.reason)",
      hint: "pcli unkill takes the order back")
  }

  /// Whether a run is there or on its way.
  static func isUp(_ agent: Agent) -> Bool {
    guard agent.spec.lifecycle?.desired != .stopped, !agent.isIdle else { return false }
    switch agent.status?.phase {
    case .running, .pending, nil: return true
    case .stopped, .idle, .failed, .killed: return false
    }
  }

  /// Wants it running. When that was wanted already, and the run ended or idled, only a new number tells the engine to
  /// act.
  static func wake(_ agent: inout Agent) {
    let wasWanted = agent.spec.lifecycle?.desired != .stopped
    agent.spec.lifecycle = lifecycle(agent, desired: .running, anew: wasWanted)
  }

  /// - Parameter anew: counts one more explicit restart.
  private static func lifecycle(
    _ agent: Agent, desired: AgentLifecycle.Desired, anew: Bool = false
  ) -> AgentLifecycle {
    var lifecycle = agent.spec.lifecycle ?? AgentLifecycle()
    lifecycle.desired = desired
    if anew { lifecycle.restartCount = (lifecycle.restartCount ?? 0) + 1 }
    return lifecycle
  }
}

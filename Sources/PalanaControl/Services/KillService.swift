import PalanaAPI
import PalanaAudit
package import PalanaControlAPI
package import PalanaCore
import PalanaStore

/// Cuts agents off, durably and measured, and lets them back.
///
/// A kill waits for nobody: not for the audit trail, not for a plane that hangs, not for an unkill that is under way.
package struct KillService: Sendable {
  /// How it reaches the planes.
  enum Way: Sendable {
    case planes(PlaneCutter, ContainmentRetries)
    case orders(@Sendable (_ order: KillOrder, _ accepted: ContinuousClock.Instant) async -> [KillReport.Plane])

    init(_ containment: Containment, _ dependencies: ControlDependencies, _ store: any ResourceStore, _ trail: AuditTrail) {
      switch containment {
      case .orders(let follow): self = .orders(follow)
      case .planes(let planes):
        let cutter = PlaneCutter(planes: planes, effort: dependencies.killEffort, timer: dependencies.timer)
        self = .planes(cutter, ContainmentRetries(cutter: cutter, store: store, trail: trail, timer: dependencies.timer))
      }
    }
  }

  let store: any ResourceStore
  let way: Way
  let access: Access
  let trail: AuditTrail
  let clock: WallClock

  init(store: any ResourceStore, way: Way, trail: AuditTrail, clock: WallClock) {
    self.store = store
    self.way = way
    self.trail = trail
    self.clock = clock
    access = Access(store: store)
  }

  /// What goes on with what a kill could not finish; nil where the planes do so themselves.
  package var retries: ContainmentRetries? {
    if case .planes(_, let retries) = way { retries } else { nil }
  }

  /// Writes the order, then cuts every plane in parallel.
  ///
  /// - Parameter accepted: when the request was accepted.
  /// - Throws: ``PalanaError``: `notFound` (no such agent), `denied`, `invalid`. Never because a plane or the audit
  ///   trail fails.
  package func kill(
    _ request: KillRequest, owner: UserIdentity?, by caller: Caller,
    accepted: ContinuousClock.Instant = .now
  ) async throws(PalanaError) -> KillReport {
    let reason = try Self.reason(request.reason)
    let scope = try await KillScope.resolve(request.target, owner: owner, by: caller, access: access)
    var warnings = scope.warnings
    var order: KillOrder?
    do {
      let wanted = KillOrder(
        metadata: ObjectMeta(name: try ResourceName("kill-" + RandomToken.hex(bytes: 8))),
        spec: KillOrderSpec(target: scope.target, reason: reason, by: caller.actor, at: clock.now()))
      order = try await store.create(wanted)
    } catch {
      // Where the order is all there is, nothing has happened.
      if case .orders = way { throw error }
      // Cutting what can be cut is still better than not: but nobody may believe that it lasts.
      warnings.append("the order could not be written, the engine may bring the agents back: \(error.message)")
    }
    // After the order: an agent that is created from now on is the engine's to refuse.
    let agents = await affected(scope, &warnings)
    if agents.isEmpty { warnings.append("no agent is covered at present; the order holds for those to come") }
    let planes = await cut(Set(agents.map(\.id)), order, accepted)
    let total = accepted.duration(to: .now).milliseconds
    for plane in planes where plane.error != nil {
      warnings.append("the plane ‘\(plane.name)’ is not cut yet and is tried on: \(plane.error ?? "")")
      await retries?.add(plane.name, Set(agents.map(\.id)))
    }
    let report = KillReport(
      orders: order.map { [$0.metadata.name.text] } ?? [], agents: agents, planes: planes, totalMilliseconds: total, warnings: warnings)
    return note("kill", report, scope, reason, caller)
  }

  private func cut(
    _ agents: Set<AgentID>, _ order: KillOrder?, _ accepted: ContinuousClock.Instant
  ) async -> [KillReport.Plane] {
    switch way {
    case .planes(let cutter, _): return agents.isEmpty ? [] : await cutter.perform(.cut, on: agents, accepted: accepted)
    case .orders(let follow):
      guard let order else { return [] }
      return await follow(order, accepted)
    }
  }

  /// Takes back the orders with exactly this target and lets back the agents that no other order covers.
  ///
  /// - Throws: ``PalanaError``: `notFound` when there is no such order, `denied` when somebody else gave it and the
  ///   caller is no operator, `unreachable` when it cannot be audited.
  package func unkill(
    _ request: KillRequest, owner: UserIdentity?, by caller: Caller,
    accepted: ContinuousClock.Instant = .now
  ) async throws(PalanaError) -> KillReport {
    let reason = try Self.reason(request.reason)
    let scope = try await KillScope.resolve(
      request.target, owner: owner, by: caller, access: access, mustExist: false)
    let matching = try await store.list(KillOrderSpec.self, owner: nil).filter { $0.spec.target == scope.target }
    guard !matching.isEmpty else {
      throw PalanaError(
        .notFound, "no order with the target ‘\(scope.target.text)’ is in force",
        hint: "pcli get killorders shows what is")
    }
    let mine = matching.filter { caller.isOperator || $0.spec.by == caller.identity }
    guard !mine.isEmpty else {
      throw PalanaError(.denied, "the order was given by somebody else; only operators may take it back")
    }
    try trail.allow(
      .kill, "unkill", by: caller,
      details: [
        "target": scope.target.text, "reason": reason,
        "orders": mine.map(\.metadata.name.text).joined(separator: " "),
      ])
    for order in mine { try await remove(order) }
    var warnings: [String] = []
    let left = try await store.list(KillOrderSpec.self, owner: nil)
    let covered = await affected(scope, &warnings)
    let stillKilled = try await coveredBy(left, scope)
    let free = covered.filter { !stillKilled.contains($0.id) }
    if free.count < covered.count {
      warnings.append("\(covered.count - free.count) of the agents stay killed by other orders")
    }
    let planes = await restore(Set(free.map(\.id)), accepted, &warnings)
    for plane in planes where plane.error != nil {
      warnings.append("the plane ‘\(plane.name)’ is not restored: \(plane.error ?? "")")
    }
    let report = KillReport(
      orders: mine.map(\.metadata.name.text), agents: free, planes: planes,
      totalMilliseconds: accepted.duration(to: .now).milliseconds, warnings: warnings)
    return note("restored", report, scope, reason, caller)
  }

  private func restore(
    _ released: Set<AgentID>, _ accepted: ContinuousClock.Instant, _ warnings: inout [String]
  ) async -> [KillReport.Plane] {
    guard case .planes(let cutter, let retries) = way else {
      if !released.isEmpty { warnings.append("the gateways and the operator let the agents back when they see that the order is gone") }
      return []
    }
    await retries.forget(released)
    let planes = released.isEmpty ? [] : await cutter.perform(.restore, on: released, accepted: accepted)
    await recut(released, cutter, retries, &warnings)
    return planes
  }

  /// A kill that came while planes were being restored may have been undone by that: it is cut again. The order stands
  /// before the cut, so whoever is second always sees it.
  private func recut(
    _ released: Set<AgentID>, _ cutter: PlaneCutter, _ retries: ContainmentRetries, _ warnings: inout [String]
  ) async {
    guard !released.isEmpty else { return }
    let again: Set<AgentID>
    do {
      let orders = try await store.list(KillOrderSpec.self, owner: nil)
      again = try await coveredBy(orders, KillScope(target: .all)).intersection(released)
    } catch {
      again = released
    }
    guard !again.isEmpty else { return }
    warnings.append("\(again.count) of the agents were killed again meanwhile")
    for plane in await cutter.perform(.cut, on: again, accepted: .now) where plane.error != nil {
      await retries.add(plane.name, again)
    }
  }

  private func remove(_ order: KillOrder) async throws(PalanaError) {
    do {
      try await store.remove(
        KillOrderSpec.self, owner: nil, name: order.metadata.name, uid: order.metadata.uid ?? "")
    } catch {
      guard error.code == .notFound else { throw error }
    }
  }

  /// Of the agents that the scope may be about.
  private func coveredBy(_ orders: [KillOrder], _ scope: KillScope) async throws(PalanaError) -> Set<AgentID> {
    var ids: Set<AgentID> = []
    for agent in try await store.list(AgentSpec.self, owner: scope.owner)
    where orders.contains(where: { $0.spec.target.covers(agent) }) {
      ids.insert(try agent.id())
    }
    return ids
  }

  private func affected(_ scope: KillScope, _ warnings: inout [String]) async -> [KillReport.AgentEntry] {
    do {
      var entries: [KillReport.AgentEntry] = []
      for agent in try await store.list(AgentSpec.self, owner: scope.owner) where scope.target.covers(agent) {
        let reference = try agent.reference()
        entries.append(.init(id: reference.id, name: reference.name, owner: reference.owner))
      }
      return entries
    } catch {
      warnings.append("the agents could not be listed: \(error.message)")
      return scope.single.map { [$0] } ?? []
    }
  }

  private static func reason(_ text: String) throws(PalanaError) -> String {
    guard text.utf8.count <= 500 else { throw PalanaError(.invalid, "reason: at most 500 bytes") }
    let isClean = text.unicodeScalars.allSatisfy { $0.value >= 32 && $0.value != 127 }
    guard isClean else { throw PalanaError(.invalid, "reason: control characters are not allowed") }
    return text.isEmpty ? "not given" : text
  }

  /// Writes down what was done, once for each agent, with the time of each plane. If that fails the report says so.
  private func note(
    _ action: String, _ report: KillReport, _ scope: KillScope, _ reason: String, _ caller: Caller
  ) -> KillReport {
    var report = report
    var details = [
      "target": scope.target.text, "reason": reason, "orders": report.orders.joined(separator: " "),
      "agents": String(report.agents.count),
    ]
    for plane in report.planes {
      details["ms.\(plane.name)"] = String(plane.milliseconds)
      if let error = plane.error { details["error.\(plane.name)"] = error }
    }
    let failed = report.orders.isEmpty || report.planes.contains { $0.error != nil }
    var complete = true
    // One event for the whole when there is no agent, so that no kill is without a trace.
    let agents: [KillReport.AgentEntry?] = report.agents.isEmpty ? [nil] : report.agents
    for agent in agents {
      let written = trail.note(
        .kill, action, failed ? .error : .info, severity: .critical, reason: failed ? "plane_failed" : nil, by: caller,
        agent: agent.map { AuditEvent.AgentRef(id: $0.id, name: $0.name, owner: $0.owner) },
        durationMs: report.totalMilliseconds, details: details)
      complete = complete && written
    }
    if !complete { report.warnings.append("the audit trail could not be written") }
    return report
  }
}

import PalanaAPI
import PalanaAudit
package import PalanaControlAPI
package import PalanaCore
package import PalanaStore

/// Cuts agents off, durably and measured, and lets them back.
///
/// A kill waits for nobody: not for the audit trail, not for a plane that hangs, not for an unkill that is under way.
package struct KillService: Sendable {
  let store: any ResourceStore
  let cutter: PlaneCutter
  let retries: ContainmentRetries
  let access: Access
  let trail: AuditTrail
  let clock: WallClock

  package init(
    store: any ResourceStore, cutter: PlaneCutter, retries: ContainmentRetries, trail: AuditTrail, clock: WallClock
  ) {
    self.store = store
    self.cutter = cutter
    self.retries = retries
    self.trail = trail
    self.clock = clock
    access = Access(store: store)
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
    var orders: [String] = []
    do {
      let order = KillOrder(
        metadata: ObjectMeta(name: try ResourceName("kill-" + RandomToken.hex(bytes: 8))),
        spec: KillOrderSpec(target: scope.target, reason: reason, by: caller.actor, at: clock.now()))
      orders = [try await store.create(order).metadata.name.text]
    } catch {
      // Cutting what can be cut is still better than not: but nobody may believe that it lasts.
      warnings.append("the order could not be written, the engine may bring the agents back: \(error.message)")
    }
    // After the order: an agent that is created from now on is the engine's to refuse.
    let agents = await affected(scope, &warnings)
    if agents.isEmpty { warnings.append("no agent is covered at present; the order holds for those to come") }
    let planes =
      agents.isEmpty
      ? [] : await cutter.perform(.cut, on: Set(agents.map(\.id)), accepted: accepted)
    let total = accepted.duration(to: .now).milliseconds
    for plane in planes where plane.error != nil {
      warnings.append("the plane ‘\(plane.name)’ is not cut yet and is tried on: \(plane.error ?? "")")
      await retries.add(plane.name, Set(agents.map(\.id)))
    }
    let report = KillReport(
      orders: orders, agents: agents, planes: planes, totalMilliseconds: total, warnings: warnings)
    return note("kill", report, scope, reason, caller)
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
    let stillKilled = try await coveredBy(left)
    let free = covered.filter { !stillKilled.contains($0.id) }
    if free.count < covered.count {
      warnings.append("\(covered.count - free.count) of the agents stay killed by other orders")
    }
    let released = Set(free.map(\.id))
    await retries.forget(released)
    let planes = free.isEmpty ? [] : await cutter.perform(.restore, on: released, accepted: accepted)
    await recut(released, &warnings)
    for plane in planes where plane.error != nil {
      warnings.append("the plane ‘\(plane.name)’ is not restored: \(plane.error ?? "")")
    }
    let report = KillReport(
      orders: mine.map(\.metadata.name.text), agents: free, planes: planes,
      totalMilliseconds: accepted.duration(to: .now).milliseconds, warnings: warnings)
    return note("restored", report, scope, reason, caller)
  }

  /// A kill that came while planes were being restored may have been undone by that: it is cut again. The order stands
  /// before the cut, so whoever is second always sees it.
  private func recut(_ released: Set<AgentID>, _ warnings: inout [String]) async {
    guard !released.isEmpty else { return }
    let again: Set<AgentID>
    do {
      again = try await coveredBy(try await store.list(KillOrderSpec.self, owner: nil)).intersection(released)
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

  private func coveredBy(_ orders: [KillOrder]) async throws(PalanaError) -> Set<AgentID> {
    var ids: Set<AgentID> = []
    for agent in try await store.list(AgentSpec.self, owner: nil)
    where orders.contains(where: { $0.spec.target.covers(agent) }) {
      ids.insert(try agent.id())
    }
    return ids
  }

  private func affected(_ scope: KillScope, _ warnings: inout [String]) async -> [KillReport.AgentEntry] {
    do {
      var entries: [KillReport.AgentEntry] = []
      for agent in try await store.list(AgentSpec.self, owner: nil) where scope.target.covers(agent) {
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

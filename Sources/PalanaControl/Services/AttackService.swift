package import PalanaAPI
import PalanaAudit
package import PalanaControlAPI
package import PalanaCore
import Synchronization

/// Attacks the way out of an agent that runs, from inside its network, and hands over what came of each case.
///
/// `run`: eight digits that stand in every name and path that is asked for.
package typealias AgentAttacker =
  @Sendable (
    _ agent: Agent, _ run: String, _ report: @escaping @Sendable (AttackRecord) async throws -> Void
  ) async throws -> Void

/// Attacks on live agents: who may, one at a time, and between two events of the audit trail.
package struct AttackService: Sendable {
  private let agents: AgentService
  private let attacker: AgentAttacker
  private let underWay = AttacksUnderWay()

  package init(agents: AgentService, attacker: @escaping AgentAttacker) {
    self.agents = agents
    self.attacker = attacker
  }

  /// The agent that may be attacked: as for a command in it.
  ///
  /// - Throws: ``PalanaError``: `notFound`; `conflict` while it is killed or does not run.
  package func target(_ name: String, owner: UserIdentity?, by caller: Caller) async throws(PalanaError) -> Agent {
    let agent = try await agents.reachable(name, owner: owner, by: caller)
    guard agent.status?.phase == .running else { throw AgentService.notRunning(agent) }
    return agent
  }

  /// Attacks an agent that ``target(_:owner:by:)`` returned. What the gateway refuses meanwhile is in the audit trail between the
  /// events `attack` and `attack-end`, and names the run.
  ///
  /// - Throws: ``PalanaError``: `conflict` when the agent is attacked already or stopped meanwhile; what `report` throws.
  package func attack(
    _ agent: Agent, by caller: Caller, _ report: @escaping @Sendable (AttackRecord) async throws -> Void
  ) async throws {
    let id = try agent.id()
    guard underWay.begin(id) else {
      throw PalanaError(
        .conflict, "the agent ‘\(agent.metadata.name)’ is attacked already, or too many others are",
        hint: "wait for the end: pcli audit --agent \(agent.metadata.name) --component lifecycle")
    }
    defer { underWay.end(id) }
    let run = RandomToken.hex(bytes: 4)
    let reference = try agent.reference()
    try agents.trail.allow(.lifecycle, "attack", by: caller, agent: reference, details: ["run": run])
    let tally = AttackTally()
    let result: Result<Void, any Error>
    do {
      try await attacker(agent, run) { record in
        tally.count(record.verdict)
        try await report(record)
      }
      result = .success(())
    } catch {
      result = .failure(error)
    }
    note(result, tally, run, reference, caller)
    try result.get()
  }

  private func note(
    _ result: Result<Void, any Error>, _ tally: AttackTally, _ run: String, _ reference: AuditEvent.AgentRef, _ caller: Caller
  ) {
    var details = tally.details
    details["run"] = run
    var decision = AuditEvent.Decision.info
    var reason: String?
    if case .failure(let error) = result {
      decision = .error
      reason = (error as? PalanaError)?.code.rawValue ?? "cut off"
    }
    agents.trail.note(
      .lifecycle, "attack-end", decision, severity: tally.isBroken ? .critical : .normal, reason: reason, by: caller,
      agent: reference, details: details)
  }
}

/// Which agents are attacked now: each once, so that no attack pushes another one over the agent's limits, and few at all.
private final class AttacksUnderWay: Sendable {
  private static let most = 4
  private let agents = Mutex<Set<AgentID>>([])

  func begin(_ agent: AgentID) -> Bool { agents.withLock { $0.count < Self.most && $0.insert(agent).inserted } }
  func end(_ agent: AgentID) { agents.withLock { _ = $0.remove(agent) } }
}

/// How many cases came to what.
private final class AttackTally: Sendable {
  private let counts = Mutex<[AttackRecord.Verdict: Int]>([:])

  func count(_ verdict: AttackRecord.Verdict) { counts.withLock { $0[verdict, default: 0] += 1 } }
  var isBroken: Bool { counts.withLock { $0[.broken] != nil } }
  var details: [String: String] {
    counts.withLock { counts in
      Dictionary(uniqueKeysWithValues: AttackRecord.Verdict.allCases.map { ($0.rawValue, "\(counts[$0] ?? 0)") })
    }
  }
}

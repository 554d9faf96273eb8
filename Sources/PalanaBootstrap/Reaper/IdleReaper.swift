import Logging
import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaPlan

/// Stops the compute of agents that do nothing and keeps everything else of theirs. It only says what is wanted; whatever runs the agents does it.
struct IdleReaper: Sendable {
  /// What one look at all agents came to.
  struct Report: Hashable, Sendable {
    var looked = 0
    var warned: [AgentID] = []
    var stopped: [AgentID] = []
    /// Could not be written down or marked; the next look tries again.
    var failed: [AgentID] = []
  }

  let agents: any IdleAgents
  let rule: IdleRule
  let audit: any AuditSink
  let clock: WallClock
  let logger: Logger

  /// Looks at every agent once.
  ///
  /// - Throws: ``PalanaError`` when they cannot be listed: then nobody is stopped.
  func look() async throws(PalanaError) -> Report {
    let now = clock.now()
    var report = Report()
    for candidate in try await agents.candidates(now: now) {
      report.looked += 1
      do throws(PalanaError) {
        switch rule.decide(candidate.facts, now: now) {
        case .leave: break
        case .warn(let end):
          try await agents.annotate(candidate, IdleAnnotation.warned, "\(now)")
          try record(candidate, "idle-warning", now, ["stopsAt": "\(end)"])
          await agents.tell(
            candidate, reason: "IdleSoon", "it has done nothing since \(candidate.facts.lastActivity) and is stopped at \(end)")
          report.warned.append(candidate.id)
        case .stop:
          // First the event: nobody is stopped without a trace.
          try record(candidate, "idle-stop", now, [:])
          try await agents.annotate(candidate, IdleAnnotation.idle, "\(candidate.generation)")
          await agents.tell(candidate, reason: "Idle", "it did nothing since \(candidate.facts.lastActivity); its data stays")
          report.stopped.append(candidate.id)
        }
      } catch {
        // Somebody changed it just now: that was a sign of life.
        guard error.code != .conflict, error.code != .notFound else { continue }
        report.failed.append(candidate.id)
        logger.error("an idle agent could not be dealt with", metadata: ["agent.id": "\(candidate.id)", "error": "\(error)"])
      }
    }
    return report
  }

  private func record(
    _ candidate: IdleCandidate, _ action: String, _ now: Timestamp, _ more: [String: String]
  ) throws(PalanaError) {
    let details = [
      "lastActivity": "\(candidate.facts.lastActivity)", "idleAfter": "\(candidate.facts.idleAfter.components.seconds)s",
    ].merging(more) { _, new in new }
    do {
      try audit.record(
        AuditEvent(
          time: now, component: .lifecycle, action: action, decision: .info,
          agent: AuditEvent.AgentRef(id: candidate.id, name: candidate.name.text, owner: candidate.owner), details: details))
    } catch {
      throw PalanaError(.unreachable, "the audit trail takes no events: \(error.why)")
    }
  }
}

package import Logging
package import PalanaAPI
package import PalanaAudit
package import PalanaCore

/// What the control API writes down: every change that was allowed, before it happens, and every one that was refused
/// or failed.
package struct AuditTrail: Sendable {
  private let sink: any AuditSink
  private let clock: WallClock
  private let logger: Logger

  package init(sink: any AuditSink, clock: WallClock, logger: Logger) {
    self.sink = sink
    self.clock = clock
    self.logger = logger
  }

  /// Writes down that something is allowed and will now be done.
  ///
  /// - Throws: ``PalanaError`` with code `unreachable` when it cannot be written: then it must not be done.
  package func allow(
    _ component: AuditEvent.Component, _ action: String, by caller: Caller, agent: AuditEvent.AgentRef? = nil,
    secrets: [String] = [], details: [String: String] = [:]
  ) throws(PalanaError) {
    do {
      try sink.record(
        event(
          component, action, .allow, caller: caller, agent: agent, secrets: secrets, details: details))
    } catch {
      logger.error("control.audit.unavailable", metadata: ["audit.why": "\(error.why)"])
      throw PalanaError(
        .unreachable, "the audit trail cannot be written, so nothing was changed",
        hint: "see ‘pcli doctor’; a kill is possible all the same")
    }
  }

  /// Writes down what cannot be undone by not writing it: refusals, failures, a containment that goes on in any case.
  ///
  /// - Returns: whether it was written.
  @discardableResult
  package func note(
    _ component: AuditEvent.Component, _ action: String, _ decision: AuditEvent.Decision,
    severity: AuditEvent.Severity = .normal, reason: String? = nil, by caller: Caller? = nil,
    agent: AuditEvent.AgentRef? = nil, source: AuditEvent.Source? = nil, durationMs: Double? = nil,
    details: [String: String] = [:]
  ) -> Bool {
    var event = event(component, action, decision, caller: caller, agent: agent, secrets: [], details: details)
    event.severity = severity
    event.reason = reason
    event.source = source ?? event.source
    event.durationMs = durationMs
    do {
      try sink.record(event)
      return true
    } catch {
      logger.error("control.audit.unavailable", metadata: ["audit.why": "\(error.why)"])
      return false
    }
  }

  private func event(
    _ component: AuditEvent.Component, _ action: String, _ decision: AuditEvent.Decision, caller: Caller?,
    agent: AuditEvent.AgentRef?, secrets: [String], details: [String: String]
  ) -> AuditEvent {
    var details = details
    if let caller, caller.impersonatedBy != nil { details["actingFor"] = caller.identity.raw }
    return AuditEvent(
      time: clock.now(), component: component, action: action, decision: decision, agent: agent,
      actor: caller?.actor, source: caller?.source, secrets: secrets, details: details)
  }
}

extension Resource where Spec == AgentSpec {
  /// - Throws: ``PalanaError`` with code `failed` for an object that the store should never hold.
  package func requireOwner() throws(PalanaError) -> UserIdentity {
    guard let owner = spec.owner else { throw PalanaError(.failed, "the agent \(metadata.name) has no owner") }
    return owner
  }

  /// The identifier of the agent outside the store.
  package func id() throws(PalanaError) -> AgentID {
    AgentID(owner: try requireOwner(), name: metadata.name)
  }

  /// As the audit trail names it.
  package func reference() throws(PalanaError) -> AuditEvent.AgentRef {
    AuditEvent.AgentRef(id: try id(), name: metadata.name.text, owner: try requireOwner())
  }
}

import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaPolicy
import PalanaSecrets

/// Writes down each request for a token: whose secret, where it was asked, how it ended. Never a value.
enum MintAudit {
  /// - Throws: what it returns throws ``PalanaError`` with code `unreachable` when the audit cannot take the event; the token is
  ///   not used then.
  static func recorder(
    _ sink: any AuditSink, clock: WallClock = .system
  ) -> @Sendable (MintingSecretSource.Record) throws(PalanaError) -> Void {
    { record throws(PalanaError) in
      do { try sink.record(event(record, at: clock.now())) } catch {
        throw PalanaError(.unreachable, "a request for a token cannot be written down at this moment")
      }
    }
  }

  static func event(_ record: MintingSecretSource.Record, at time: Timestamp) -> AuditEvent {
    var details = ["type": record.minting.rawValue, "endpoint": record.endpoint ?? ""]
    let decision: AuditEvent.Decision
    switch record.result {
    case .success(let life):
      decision = .allow
      details["seconds"] = "\(life.components.seconds)"
    case .failure(let error):
      decision = .error
      details["error"] = error.message
    }
    return AuditEvent(
      time: time, component: .secrets, action: "mint", decision: decision,
      reason: decision == .error ? DenialReason.secretUnavailable.rawValue : nil,
      agent: AuditEvent.AgentRef(id: record.agent, name: record.path.agent.text, owner: record.path.owner),
      durationMs: record.took.milliseconds, secrets: [record.path.secret], details: details)
  }
}

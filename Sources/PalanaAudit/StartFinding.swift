package import PalanaCore

/// What the log found wrong when it opened, as a record of the chain. Verification reports it for as long as the record is there:
/// what made the log suspicious once must not be healed by the events that follow.
package enum StartFinding {
  private static let action = "audit_start"

  /// - Parameter reason: `audit_head_note_missing`, `audit_head_note_forged`, `audit_records_missing` or `audit_head_differs`.
  package static func event(reason: String, details: [String: String], time: Timestamp) -> AuditEvent {
    AuditEvent(
      time: time, component: .policy, action: action, decision: .error, severity: .critical, reason: reason,
      details: details)
  }

  /// The reason in an event's line; nil when it is another event. One that was collected is about the log of its sender.
  package static func reason(in event: some Collection<UInt8>) -> String? {
    // `{"time":"` and 27 bytes of time stand in front; most events end the look here.
    let start = event.dropFirst(36)
    guard start.starts(with: "\",\"component\":\"policy\",\"action\":\"audit_start\"".utf8) else { return nil }
    guard let value = try? JSONValue(parsing: event), value["origin"] == nil else { return nil }
    return value["reason"]?.string
  }
}

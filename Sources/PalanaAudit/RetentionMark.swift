package import PalanaCore

/// The record that vouches for removed records: it stands in the chain and names the last link that was removed.
package enum RetentionMark {
  private static let action = "retention"

  /// - Parameters:
  ///   - through: the last record that is removed.
  ///   - removed: how many are.
  ///   - before: events older than this were due.
  package static func event(
    through: AuditVerifier.Link, removed: Int, before: Timestamp, time: Timestamp
  ) -> AuditEvent {
    AuditEvent(
      time: time, component: .policy, action: action, decision: .info,
      details: [
        "throughSeq": String(through.seq), "throughHash": through.hash, "removed": String(removed),
        "before": before.description,
      ])
  }

  /// The link in an event's line; nil when it is another event. One that was collected speaks of the chain it comes from, not of this one.
  package static func link(in event: some Collection<UInt8>) -> AuditVerifier.Link? {
    // `{"time":"` and 27 bytes of time stand in front; most events end the look here.
    let start = event.dropFirst(36)
    guard start.starts(with: "\",\"component\":\"policy\",\"action\":\"retention\"".utf8),
      let value = try? JSONValue(parsing: event), value["origin"] == nil, let details = value["details"],
      let seq = details["throughSeq"]?.string.flatMap(Int64.init),
      let hash = details["throughHash"]?.string
    else { return nil }
    return .init(seq: seq, hash: hash)
  }
}

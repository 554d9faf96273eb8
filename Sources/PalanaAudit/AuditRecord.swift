/// An event in its place in the chain. Its JSON form is that of the event with `seq` in front, `prevHash` and `hash` behind.
package struct AuditRecord: Hashable, Sendable {
  /// From 1, without gaps.
  package var seq: Int64
  package var event: AuditEvent
  /// Hexadecimal SHA-256 of the record before; 64 zeros for the first.
  package var prevHash: String
  package var hash: String

  package init(seq: Int64, event: AuditEvent, prevHash: String, hash: String) {
    self.seq = seq
    self.event = event
    self.prevHash = prevHash
    self.hash = hash
  }
}

/// An event in its place in the chain. Its JSON form is that of the event with `seq` in front, `prevHash` and `hash` behind.
package struct AuditRecord: Hashable, Sendable {
  /// From 1, without gaps.
  package var seq: Int64
  package var event: AuditEvent
  /// Hexadecimal SHA-256 of the record before; 64 zeros for the first.
  package var prevHash: String
  package var hash: String
  /// The event's own object as it lies in the log; nil when the record came another way.
  package var stored: String?

  package init(seq: Int64, event: AuditEvent, prevHash: String, hash: String, stored: String? = nil) {
    self.seq = seq
    self.event = event
    self.prevHash = prevHash
    self.hash = hash
    self.stored = stored
  }

  /// The record's line without a line break: byte for byte what the hash covers when the log gave the record, also when an older
  /// version of the encoder wrote it.
  package var line: [UInt8] {
    var event: [UInt8] = []
    if let stored { event = Array(stored.utf8) } else { AuditEncoder.encode(self.event, into: &event) }
    return AuditChain.line(
      seq: seq, event: event, previous: AuditChain.Hash(hex: prevHash.utf8) ?? .zero,
      hash: AuditChain.Hash(hex: hash.utf8) ?? .zero)
  }
}

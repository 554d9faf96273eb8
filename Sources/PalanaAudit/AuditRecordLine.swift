import PalanaCore

/// The line of a record taken apart.
package struct AuditRecordLine: Hashable, Sendable {
  /// 1 or more.
  package var seq: Int64
  /// The event's own object, byte for byte.
  package var event: [UInt8]
  package var previous: AuditChain.Hash
  package var hash: AuditChain.Hash

  /// Exactly the spelling of ``AuditChain/line(seq:event:previous:hash:)``, without a line break. What stands between its members is
  /// not looked at.
  package init?(_ line: [UInt8]) {
    let head = Array("{\"seq\":".utf8)
    let middle = Array(",\"prevHash\":\"".utf8)
    let end = Array("\",\"hash\":\"".utf8)
    let tail = middle.count + 64 + end.count + 64 + 2
    guard line.count > head.count + tail, line.starts(with: head), line.suffix(2).elementsEqual("\"}".utf8),
      let comma = line[head.count...].firstIndex(of: UInt8(ascii: ",")), comma - head.count < 20
    else { return nil }
    let digits = String(decoding: line[head.count..<comma], as: UTF8.self)
    let body = line.count - tail
    guard let seq = Int64(digits), seq > 0, String(seq) == digits, comma < body, line[body...].starts(with: middle),
      line[(body + middle.count + 64)...].starts(with: end),
      let previous = AuditChain.Hash(hex: line[(body + middle.count)..<(body + middle.count + 64)]),
      let hash = AuditChain.Hash(hex: line[(line.count - 66)..<(line.count - 2)])
    else { return nil }
    self.seq = seq
    self.previous = previous
    self.hash = hash
    event = [UInt8(ascii: "{")] + line[(comma + 1)..<body] + [UInt8(ascii: "}")]
  }

  /// Any JSON spelling of a record, put into the canonical one. Unknown members are refused: they would not be in the hash.
  init?(reordered line: [UInt8]) {
    guard let value = try? JSONValue(parsing: line), case .object(var object) = value,
      let seq = object["seq"]?.int, seq > 0,
      let previous = object["prevHash"]?.string.flatMap({ AuditChain.Hash(hex: Array($0.utf8)) }),
      let hash = object["hash"]?.string.flatMap({ AuditChain.Hash(hex: Array($0.utf8)) })
    else { return nil }
    for name in ["seq", "prevHash", "hash"] { object[name] = nil }
    guard let event = try? StrictDecoder.decode(AuditEvent.self, from: .object(object)) else { return nil }
    self.seq = Int64(seq)
    self.previous = previous
    self.hash = hash
    self.event = []
    AuditEncoder.encode(event, into: &self.event)
  }
}

/// Questions of DNS (RFC 1035 §4).
enum DNSQuestion {
  /// - Parameters:
  ///   - type: 1: A, 16: TXT, 28: AAAA, 252: AXFR, 255: ANY.
  ///   - kind: 1: IN, 3: CHAOS.
  static func bytes(_ name: String, type: UInt16 = 1, kind: UInt16 = 1) -> [UInt8] {
    let labels = name.split(separator: ".").flatMap { [UInt8(truncatingIfNeeded: $0.utf8.count & 63)] + $0.utf8 }
    return [0x70, 0x61, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + labels
      + [0, UInt8(type >> 8), UInt8(type & 255), UInt8(kind >> 8), UInt8(kind & 255)]
  }

  /// For TCP: with the length in front.
  static func framed(_ bytes: [UInt8]) -> [UInt8] {
    [UInt8(truncatingIfNeeded: bytes.count >> 8), UInt8(truncatingIfNeeded: bytes.count)] + bytes
  }

  /// How many records an answer has; nil for what is no answer to ``bytes(_:type:kind:)``.
  static func records(_ answer: [UInt8]) -> Int? {
    guard answer.count >= 12, answer[0] == 0x70, answer[1] == 0x61, answer[2] & 0x80 != 0 else { return nil }
    return Int(answer[6]) << 8 | Int(answer[7])
  }
}

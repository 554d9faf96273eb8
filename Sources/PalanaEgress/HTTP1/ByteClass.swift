/// The character classes of RFC 9110 and RFC 9112, as bit sets so that a test is two instructions.
enum ByteClass {
  /// `tchar`: what methods and field names are made of (RFC 9110 §5.6.2).
  @inline(__always)
  static func isToken(_ byte: UInt8) -> Bool {
    byte < 64
      ? (0x03ff_6cfa_0000_0000 as UInt64) >> UInt64(byte) & 1 == 1
      : byte < 128 && (0x57ff_ffff_c7ff_fffe as UInt64) >> UInt64(byte & 63) & 1 == 1
  }

  /// What may stand in a field value: visible characters, space, tab, and bytes above ASCII (RFC 9110 §5.5).
  @inline(__always)
  static func isFieldValue(_ byte: UInt8) -> Bool { (byte >= 0x20 && byte != 0x7f) || byte == 0x09 }

  /// What may stand in a request target: visible ASCII.
  @inline(__always)
  static func isTarget(_ byte: UInt8) -> Bool { byte > 0x20 && byte < 0x7f }

  @inline(__always)
  static func isDigit(_ byte: UInt8) -> Bool { byte >= 48 && byte <= 57 }

  /// The value of a hexadecimal digit.
  @inline(__always)
  static func hexadecimal(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 48...57: byte - 48
    case 65...70: byte - 55
    case 97...102: byte - 87
    default: nil
    }
  }

  @inline(__always)
  static func lowercase(_ byte: UInt8) -> UInt8 { byte >= 65 && byte <= 90 ? byte | 0x20 : byte }
}

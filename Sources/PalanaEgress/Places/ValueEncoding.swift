import PalanaCore

/// How a value is written into a place, so that it stays one value there.
enum ValueEncoding: Hashable, Sendable {
  /// As it is; only in the middle of text that is not a language of its own.
  case plain
  /// For a query or a form: everything but unreserved characters is percent-encoded (RFC 3986 §2.3).
  case percent
  /// For a path: as in a query, but `:` and `@` stay (RFC 3986 §3.3), and what could become another segment is refused.
  case segment
  /// The contents of a JSON string (RFC 8259 §7).
  case json
  /// A field of multipart/form-data: any text. The body as a whole is looked at for its delimiter afterwards.
  case field

  /// The bytes that stand for the value; nil when it cannot stand in this place.
  func encode(_ value: Redacted<String>) -> [UInt8]? {
    let bytes = value.reveal().utf8
    guard !bytes.isEmpty, bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }) else { return nil }
    switch self {
    case .plain:
      // Quotes and backslashes mean something in nearly every language that a text may be written in.
      return bytes.contains { $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") } ? nil : Array(bytes)
    case .percent: return Self.percentEncoded(bytes, keeping: "")
    case .segment:
      guard !bytes.contains(where: { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "\\") }) else { return nil }
      return Self.percentEncoded(bytes, keeping: ":@")
    case .json: return Self.jsonEscaped(bytes)
    case .field: return Array(bytes)
    }
  }

  private static func percentEncoded(_ bytes: String.UTF8View, keeping others: StaticString) -> [UInt8] {
    let kept = others.description.utf8
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count + 16)
    for byte in bytes {
      if ByteClass.isUnreserved(byte) || kept.contains(byte) {
        result.append(byte)
      } else {
        result.append(UInt8(ascii: "%"))
        result.append(ByteClass.upperDigit(byte >> 4))
        result.append(ByteClass.upperDigit(byte & 15))
      }
    }
    return result
  }

  private static func jsonEscaped(_ bytes: String.UTF8View) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count + 16)
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): result += [UInt8(ascii: "\\"), byte]
      case 0x09: result += [UInt8(ascii: "\\"), UInt8(ascii: "t")]
      default: result.append(byte)
      }
    }
    return result
  }
}

extension ByteClass {
  /// RFC 3986 §2.3.
  static func isUnreserved(_ byte: UInt8) -> Bool {
    switch byte {
    case 48...57, 65...90, 97...122, UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "~"): true
    default: false
    }
  }

  /// A hexadecimal digit, upper case.
  static func upperDigit(_ value: UInt8) -> UInt8 { value < 10 ? 48 + value : 55 + value }
}

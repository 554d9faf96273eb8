/// The user name and password of a Basic credential (RFC 7617).
struct BasicCredentials: Equatable {
  var user: String
  var password: String

  /// Reads the value of an `Authorization` or `Proxy-Authorization` field; nil for another scheme or a malformed one.
  init?(_ field: String) {
    guard let decoded = Self.decoded(field) else { return nil }
    guard let colon = decoded.firstIndex(of: UInt8(ascii: ":")) else { return nil }
    user = String(decoding: decoded[..<colon], as: UTF8.self)
    password = String(decoding: decoded[(colon + 1)...], as: UTF8.self)
  }

  /// The bytes of `user:password`; nil for another scheme or a malformed encoding.
  static func decoded(_ field: some StringProtocol) -> [UInt8]? {
    let bytes = Array(field.utf8)
    guard bytes.count > 6, String(decoding: bytes.prefix(5), as: UTF8.self).lowercased() == "basic",
      Self.isSpace(bytes[5])
    else { return nil }
    return Base64.decode(bytes[6...].drop(while: Self.isSpace))
  }

  /// Servers split at a tab as well.
  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
  }
}

/// Base64 (RFC 4648 §4) for credentials: strict about the alphabet, lenient about missing padding as servers are.
enum Base64 {
  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
    var result: [UInt8] = []
    result.reserveCapacity(text.count * 3 / 4)
    var bits: UInt32 = 0
    var count = 0
    var digits = 0
    var padding = 0
    for byte in text {
      if byte == UInt8(ascii: "=") {
        padding += 1
        continue
      }
      guard padding == 0, let value = value(byte) else { return nil }
      digits += 1
      bits = bits << 6 | UInt32(value)
      count += 6
      if count >= 8 {
        count -= 8
        result.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
      }
    }
    guard digits % 4 != 1, padding <= 2 else { return nil }
    return result
  }

  static func encode(_ bytes: some Collection<UInt8>) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity((bytes.count + 2) / 3 * 4)
    var bits: UInt32 = 0
    var count = 0
    for byte in bytes {
      bits = bits << 8 | UInt32(byte)
      count += 8
      while count >= 6 {
        count -= 6
        result.append(alphabet[Int(bits >> UInt32(count) & 63)])
      }
    }
    if count > 0 { result.append(alphabet[Int(bits << UInt32(6 - count) & 63)]) }
    while result.count % 4 != 0 { result.append(UInt8(ascii: "=")) }
    return result
  }

  private static func value(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 65...90: byte - 65
    case 97...122: byte - 71
    case 48...57: byte + 4
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }
}

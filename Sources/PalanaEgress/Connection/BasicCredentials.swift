import PalanaCore

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

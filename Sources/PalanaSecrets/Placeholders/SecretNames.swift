package import PalanaCore

/// What names of secrets and of their keys look like. They become paths, file names and environment variables, so the
/// alphabet is small.
package enum SecretNames {
  /// Checks the name of a secret: `[A-Za-z_][A-Za-z0-9_]{0,63}`.
  ///
  /// - Throws: ``PalanaError`` with code `invalid`.
  package static func check(secret: String) throws(PalanaError) {
    guard isIdentifier(secret) else {
      throw PalanaError(
        .invalid, "‘\(shown(secret))’ is not a valid name of a secret",
        hint: "a name has 1 to 64 letters, digits and underscores and does not start with a digit")
    }
  }

  /// Checks the key of a proxy-only secret (it becomes part of a variable) or, when `isFile`, of an agent-readable one
  /// (it becomes a file name, where `.` and `-` are usual).
  ///
  /// - Throws: ``PalanaError`` with code `invalid`.
  package static func check(key: String, isFile: Bool) throws(PalanaError) {
    let plain = isFile ? String(key.map { $0 == "." || $0 == "-" ? "_" : $0 }) : key
    // `.` and `..` are folders, and a leading dash is an option to many programs.
    guard isIdentifier(plain), key.contains(where: { $0 != "." }), key.first != "-" else {
      throw PalanaError(
        .invalid, "‘\(shown(key))’ is not a valid key of a secret",
        hint: isFile
          ? "a key has 1 to 64 letters, digits, ‘_’, ‘.’ and ‘-’, and does not start with a digit or ‘-’"
          : "a key has 1 to 64 letters, digits and underscores and does not start with a digit")
    }
  }

  static func isIdentifier(_ text: String) -> Bool {
    let bytes = text.utf8
    guard let first = bytes.first, bytes.count <= 64, !(48...57).contains(first) else { return false }
    return bytes.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
        true
      default: false
      }
    }
  }

  /// A cut and cleaned form for messages: what was refused may be anything.
  static func shown(_ text: String) -> String {
    String(
      String.UnicodeScalarView(text.unicodeScalars.prefix(60).map { $0.value < 0x20 || $0.value == 0x7f ? "?" : $0 }))
  }
}

package import PalanaCore

/// Which texts people may choose as placeholders.
///
/// The gateway replaces a placeholder wherever it is bound, so it must never be a text that an agent writes by chance.
package enum PlaceholderRules {
  /// Bytes of the shortest placeholder that a person may choose.
  package static let shortest = 12

  /// Checks a chosen placeholder: 12 to 256 characters that are safe in a header, a URL and JSON, that do not look like a
  /// word or a host name.
  ///
  /// - Throws: ``PalanaError`` with code `invalid` that says what is wrong.
  package static func check(_ text: String) throws(PalanaError) {
    func refuse(_ why: String) -> PalanaError {
      PalanaError(
        .invalid, "‘\(SecretNames.shown(text))’ cannot be a placeholder: \(why)",
        hint:
          "keep the shape that the program checks for and add capitals or digits, for example ghp_PALANA0PLACEHOLDER0000"
      )
    }
    let bytes = Array(text.utf8)
    guard (shortest...PlaceholderNaming.longest).contains(bytes.count) else {
      throw refuse("it has \(bytes.count) bytes, not \(shortest) to \(PlaceholderNaming.longest)")
    }
    guard bytes.allSatisfy(isToken) else {
      throw refuse("it holds something other than letters, digits, ‘-’, ‘_’, ‘.’, ‘~’")
    }
    // Words, host names and versions are lower case with dots and dashes. A mark is asked for that these do not have.
    let hasCapital = bytes.contains { (65...90).contains($0) }
    let hasSmall = bytes.contains { (97...122).contains($0) }
    let hasDigit = bytes.contains { (48...57).contains($0) }
    guard hasCapital || hasSmall else { throw refuse("it has no letters") }
    guard Set(bytes).count >= 5 else { throw refuse("it has fewer than five different characters") }
    if isLongNumber(bytes) { return }
    let marks = [hasCapital, hasDigit, bytes.contains(UInt8(ascii: "_"))].count { $0 }
    guard marks >= 2 else {
      throw refuse("it looks like plain text; it needs two of: a capital, a digit, an underscore")
    }
  }

  /// 32 hexadecimal digits and more, also with dashes in between, as a UUID has them: nobody writes these by chance.
  private static func isLongNumber(_ bytes: [UInt8]) -> Bool {
    let digits = bytes.filter { $0 != UInt8(ascii: "-") }
    return digits.count >= 32 && digits.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
      && digits.contains { (48...57).contains($0) }
  }

  /// RFC 3986 §2.3 unreserved characters: they pass unchanged through headers, URLs, JSON and shells.
  static func isToken(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "~"):
      true
    default: false
    }
  }
}

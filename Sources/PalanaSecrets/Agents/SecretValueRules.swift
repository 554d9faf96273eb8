package import PalanaAPI
package import PalanaCore

/// Which values may be stored. Messages name the key, never the value.
package enum SecretValueRules {
  /// Bytes of the longest value.
  package static let longest = 65_536
  /// Keys of one secret.
  package static let mostKeys = 32
  /// Bytes of all values of one secret: it is read and written as a whole.
  package static let largest = 262_144

  /// Checks the values of a secret.
  ///
  /// A proxy-only value will stand in a header, where a line break would begin another header: it is refused here, when a
  /// person can still mend it, and not at the first request.
  ///
  /// - Throws: ``PalanaError`` with code `invalid`.
  package static func check(
    _ values: [String: Redacted<String>], access: SecretBindingSpec.Access
  ) throws(PalanaError) {
    guard !values.isEmpty else {
      throw PalanaError(.invalid, "a secret has at least one key", hint: "write KEY=VALUE, for example token=…")
    }
    guard values.count <= mostKeys else { throw PalanaError(.invalid, "a secret has at most \(mostKeys) keys") }
    var total = 0
    for key in values.keys.sorted() {
      try SecretNames.check(key: key, isFile: access == .agentReadable)
      guard let value = values[key]?.reveal() else { continue }
      let bytes = value.utf8
      total += bytes.count
      guard !bytes.isEmpty else { throw PalanaError(.invalid, "the value of \(key) is empty") }
      guard bytes.count <= longest else {
        throw PalanaError(.invalid, "the value of \(key) has \(bytes.count) bytes, more than \(longest)")
      }
      guard !bytes.contains(0) else { throw PalanaError(.invalid, "the value of \(key) holds a NUL byte") }
      if access == .proxyOnly, bytes.contains(where: { $0 < 0x20 && $0 != 9 || $0 == 0x7f }) {
        throw PalanaError(
          .invalid,
          "the value of \(key) holds a line break or another control character, which cannot stand in a header",
          hint: "remove the line break at its end (printf instead of echo), or add it with --agent-readable")
      }
      // RFC 9110 §5.5: a recipient drops white space around a field value, so the credential would change on its way.
      if access == .proxyOnly, let first = bytes.first, let last = bytes.last,
        [9, 32].contains(first) || [9, 32].contains(last)
      {
        throw PalanaError(.invalid, "the value of \(key) has white space around it, which does not survive in a header")
      }
    }
    guard total <= largest else {
      throw PalanaError(.invalid, "the values of the secret have \(total) bytes, more than \(largest)")
    }
  }

  /// Checks that values can stand where the secret may: what the gateway would refuse at the first request.
  ///
  /// - Parameter places: as in ``SecretBindingSpec/places``.
  /// - Throws: ``PalanaError`` with code `invalid`.
  package static func check(_ values: [String: Redacted<String>], places: [String]) throws(PalanaError) {
    guard places.contains(PlaceholderBinding.Place.path.text) else { return }
    for key in values.keys.sorted() {
      guard let bytes = values[key]?.reveal().utf8 else { continue }
      guard !bytes.contains(UInt8(ascii: "/")), !bytes.contains(UInt8(ascii: "\\")), !bytes.allSatisfy({ $0 == UInt8(ascii: ".") })
      else {
        throw PalanaError(
          .invalid, "the value of \(key) cannot stand in a path: it would become another segment",
          hint: "add each segment as a secret of its own")
      }
    }
  }
}

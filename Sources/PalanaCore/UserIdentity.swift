/// The raw identity of a person: an e-mail address from the identity provider, or the name of a local user.
///
/// It is the owner of agents and the subject of every authorization decision. Where an object name or a path needs
/// a safer string, ``SanitizedName`` is derived from it; a decision is never taken on the derived form.
package struct UserIdentity: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// The identity, exactly as the provider gave it.
  package let raw: String

  /// Checks that `raw` is 1 to 254 bytes of UTF-8 without control characters or surrounding white space.
  ///
  /// - Throws: ``PalanaError`` with code `invalid`.
  package init(_ raw: String) throws(PalanaError) {
    guard !raw.isEmpty, raw.utf8.count <= 254 else {
      throw PalanaError(.invalid, "an identity has 1 to 254 bytes, this one has \(raw.utf8.count)")
    }
    let bad = raw.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7f || (0x80...0x9f).contains($0.value) }
    guard !bad, raw.first != " ", raw.last != " " else {
      throw PalanaError(.invalid, "an identity has no control characters and no white space around it")
    }
    self.raw = raw
  }

  package var description: String { raw }
  package static func < (left: Self, right: Self) -> Bool { left.raw < right.raw }
}

extension UserIdentity: Codable {
  package init(from decoder: any Decoder) throws {
    try self.init(decoder.singleValueContainer().decode(String.self))
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(raw)
  }
}

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
    let bad = raw.unicodeScalars.contains { scalar in
      switch scalar.properties.generalCategory {
      // Besides controls: invisible marks and those that turn the writing direction, with which one name looks like another.
      case .control, .format, .lineSeparator, .paragraphSeparator: true
      default: false
      }
    }
    let edges = [raw.unicodeScalars.first, raw.unicodeScalars.last]
    guard !bad, !edges.contains(where: { $0?.properties.isWhitespace == true }) else {
      throw PalanaError(.invalid, "an identity has no control characters and no white space around it")
    }
    self.raw = raw
  }

  package var description: String { raw }

  /// Byte by byte. Swift's strings are equal when they are canonically equivalent (`é` in one or two scalars), but to the provider
  /// those are two people, and paths, hashes and the database already tell them apart.
  package static func == (left: Self, right: Self) -> Bool { left.raw.utf8.elementsEqual(right.raw.utf8) }
  package static func < (left: Self, right: Self) -> Bool { left.raw.utf8.lexicographicallyPrecedes(right.raw.utf8) }
  package func hash(into hasher: inout Hasher) { hasher.combine(raw) }
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

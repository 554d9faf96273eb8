import Crypto

/// A DNS label (RFC 1123: `[a-z0-9]([-a-z0-9]*[a-z0-9])?`) derived from any text, for object names and paths.
///
/// Two different texts may give the same name, so it names things for people and is never compared to decide anything.
package struct SanitizedName: Hashable, Sendable, CustomStringConvertible {
  /// The label, 1 to `limit` characters.
  package let text: String

  /// Lower-cases ASCII, turns every other run of characters into one `-`, and cuts at `limit` characters.
  package init(sanitizing raw: String, limit: Int = 40) {
    var label: [UInt8] = []
    for byte in raw.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): label.append(byte)
      case UInt8(ascii: "A")...UInt8(ascii: "Z"): label.append(byte + 32)
      default: if let last = label.last, last != UInt8(ascii: "-") { label.append(UInt8(ascii: "-")) }
      }
      if label.count >= limit { break }
    }
    while label.last == UInt8(ascii: "-") { label.removeLast() }
    text = label.isEmpty ? "x" : String(decoding: label, as: UTF8.self)
  }

  package var description: String { text }
}

/// The name that a person gives to an agent or another resource: a DNS label of at most 40 characters.
package struct ResourceName: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// The name.
  package let text: String

  /// - Throws: ``PalanaError`` with code `invalid` that says what a name looks like.
  package init(_ text: String) throws(PalanaError) {
    let bytes = Array(text.utf8)
    func isAlphanumeric(_ byte: UInt8) -> Bool {
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
    guard (1...40).contains(bytes.count), let first = bytes.first, let last = bytes.last, isAlphanumeric(first),
      isAlphanumeric(last), bytes.allSatisfy({ isAlphanumeric($0) || $0 == UInt8(ascii: "-") })
    else {
      throw PalanaError(
        .invalid, "‘\(text.prefix(60))’ is not a valid name",
        hint: "a name has 1 to 40 lower-case letters, digits and dashes, and starts and ends with a letter or digit")
    }
    self.text = text
  }

  package var description: String { text }
  package static func < (left: Self, right: Self) -> Bool { left.text < right.text }
}

extension UserIdentity {
  /// Ten hexadecimal digits of the SHA-256 of the raw identity: what tells two people apart whose sanitized names are the same.
  package var digits: String { shortDigest(Array(raw.utf8)) }
}

/// The first ten hexadecimal digits of the SHA-256.
private func shortDigest(_ bytes: [UInt8]) -> String {
  SHA256.hash(data: bytes).prefix(5).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

/// The identifier of an agent in every object that stands outside the store: sandboxes, interfaces, log folders, audit.
///
/// The name alone is ambiguous between owners and the sanitized pair is too (`a-b` + `c`, `a` + `b-c`), so it ends in
/// ten hexadecimal digits of the SHA-256 of the raw owner and the name.
package struct AgentID: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// For example `demo-1f0a93c27b`.
  package let text: String

  /// The identifier of the agent that `owner` calls `name`.
  package init(owner: UserIdentity, name: ResourceName) {
    text = name.text + "-" + shortDigest(Array(owner.raw.utf8) + [0] + Array(name.text.utf8))
  }

  /// Reads back an identifier that was written by ``text``.
  package init?(parsing text: String) {
    guard let dash = text.lastIndex(of: "-") else { return nil }
    let digits = text[text.index(after: dash)...]
    guard digits.utf8.count == 10, digits.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) }),
      (try? ResourceName(String(text[..<dash]))) != nil
    else { return nil }
    self.text = text
  }

  package var description: String { text }
  package static func < (left: Self, right: Self) -> Bool { left.text < right.text }
}

extension AgentID: Codable {
  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let id = AgentID(parsing: try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "not an agent identifier")
    }
    self = id
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(text)
  }
}

extension ResourceName: Codable {
  package init(from decoder: any Decoder) throws {
    try self.init(decoder.singleValueContainer().decode(String.self))
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(text)
  }
}

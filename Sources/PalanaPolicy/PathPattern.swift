package import PalanaCore

/// A glob over canonical paths: `*` is any run of bytes within a segment (also empty), `**` any run across segments.
///
/// `/repos/**` covers `/repos/` and everything below, not `/repos`. Matching advances all positions of the pattern at
/// once, one bit each, so its cost is the length of the path times the number of 64-byte pieces of the pattern, for
/// every pattern and every path: nobody can slow the gateway down with a clever pair.
package struct PathPattern: Hashable, Sendable, CustomStringConvertible {
  /// The longest pattern in bytes.
  package static let longest = 1024

  /// The pattern in canonical spelling.
  package let description: String
  private let shape: Shape

  private enum Shape: Hashable, Sendable {
    case exact
    /// A literal followed by `**`; the literal's length.
    case prefix(Int)
    case glob(Glob)
  }

  /// Reads a pattern: starts with `/`, percent-encodings and segments under the rules of ``CanonicalPath``.
  ///
  /// - Throws: ``PalanaError`` with code `invalid`.
  package static func parse(_ text: String) throws(PalanaError) -> PathPattern {
    let shown = text.unicodeScalars.prefix(80).map { $0.value < 0x20 || $0.value == 0x7f ? "?" : String($0) }.joined()
    func refuse(_ why: String) -> PalanaError {
      PalanaError(
        .invalid, "‘\(shown)’ is not a path pattern: \(why)",
        hint: "write for example /repos/**, /v1/*/items or /healthz; rules never look at the query")
    }
    guard text.utf8.count <= longest else { throw refuse("it is longer than \(longest) bytes") }
    guard text.utf8.first == UInt8(ascii: "/") else { throw refuse("it does not start with /") }
    let canonical: String
    do { canonical = try CanonicalPath.canonical(text, encodedSlashes: .kept) } catch {
      throw refuse(error.description)
    }
    if canonical.utf8.count > 2, canonical.contains("***") { throw refuse("three stars in a row mean nothing") }
    return PathPattern(canonical: canonical)
  }

  private init(canonical: String) {
    description = canonical
    let bytes = Array(canonical.utf8)
    guard let star = bytes.firstIndex(of: UInt8(ascii: "*")) else {
      shape = .exact
      return
    }
    if star == bytes.count - 2, bytes[star + 1] == UInt8(ascii: "*") {
      shape = .prefix(star)
    } else {
      shape = .glob(Glob(bytes))
    }
  }

  /// Whether the pattern covers exactly this spelling of a path.
  package func matches(_ path: String) -> Bool {
    switch shape {
    case .exact: return description == path
    case .prefix(let length):
      return path.utf8.count >= length && path.utf8.prefix(length).elementsEqual(description.utf8.prefix(length))
    case .glob(let glob): return glob.matches(path.utf8)
    }
  }

  /// Whether the pattern itself speaks of empty segments, parameters or encoded slashes, so that only the literal path
  /// counts.
  var isLiteralAboutSegments: Bool { CanonicalPath.lenientReading(of: description) != nil }
}

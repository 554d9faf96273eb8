package import PalanaCore

/// A compiled host pattern: an exact host, `*.suffix` (exactly one label) or `**.suffix` (one or more labels).
package struct HostPattern: Hashable, Sendable, CustomStringConvertible {
  package enum Form: Hashable, Sendable {
    case exact(CanonicalHost)
    /// The suffix without its leading dot, for example `example.com`.
    case oneLabel(suffix: String)
    case anyLabels(suffix: String)
  }

  package let form: Form

  /// Only for the parser in this module.
  init(form: Form) { self.form = form }

  package var description: String {
    switch form {
    case .exact(let host): host.description
    case .oneLabel(let suffix): "*.\(suffix)"
    case .anyLabels(let suffix): "**.\(suffix)"
    }
  }
}

extension HostPattern {
  /// Reads a pattern as people write it.
  ///
  /// Refused: `*` and `**` alone, wildcards anywhere but in front, and a wildcard in front of a public suffix
  /// (`*.com`, `**.co.uk`, `*.github.io`), because that would trust everybody who can register a name there.
  ///
  /// - Throws: ``PalanaError`` with code `invalid`.
  package static func parse(_ text: String) throws(PalanaError) -> HostPattern {
    let shown = text.unicodeScalars.prefix(80).map { $0.value < 0x20 || $0.value == 0x7f ? "?" : String($0) }.joined()
    func refuse(_ why: String, _ hint: String = "") -> PalanaError {
      PalanaError(.invalid, "‘\(shown)’ is not a host pattern: \(why)", hint: hint)
    }
    guard text.utf8.contains(UInt8(ascii: "*")) else {
      do { return HostPattern(form: .exact(try CanonicalHost.parse(text))) } catch {
        let looksLikeMore = text.utf8.contains(UInt8(ascii: ":")) || text.utf8.contains(UInt8(ascii: "/"))
        throw refuse(
          error.description,
          looksLikeMore ? "name the host alone; ports, schemes and paths have fields of their own" : "")
      }
    }
    let any = text.hasPrefix("**.")
    guard any || text.hasPrefix("*.") else {
      throw refuse(
        text == "*" || text == "**" ? "it would match every host" : "a wildcard stands only in front, as a whole label",
        "write *.example.com for exactly one label, **.example.com for one or more")
    }
    let rest = text.dropFirst(any ? 3 : 2)
    if rest.utf8.contains(UInt8(ascii: "*")) { throw refuse("a wildcard stands only in front, as a whole label") }
    let suffix: CanonicalHost
    do { suffix = try CanonicalHost.parse(rest) } catch { throw refuse(error.description) }
    guard case .name = suffix.form else { throw refuse("a wildcard never matches addresses") }
    if PublicSuffixes.contains(suffix.description) {
      throw refuse(
        "\(suffix) is a public suffix, under which anybody can have a name",
        "name the domain, as in *.example.\(suffix)")
    }
    return HostPattern(form: any ? .anyLabels(suffix: suffix.description) : .oneLabel(suffix: suffix.description))
  }

  /// Whether the pattern covers `host`. A wildcard never covers an address, nor the suffix itself.
  package func matches(_ host: CanonicalHost) -> Bool {
    switch form {
    case .exact(let exact): return exact == host
    case .oneLabel(let suffix):
      guard case .name = host.form, let head = Self.head(of: host, before: suffix) else { return false }
      return !head.contains(UInt8(ascii: "."))
    case .anyLabels(let suffix):
      guard case .name = host.form else { return false }
      return Self.head(of: host, before: suffix) != nil
    }
  }

  /// What stands in front of `.suffix` in `host`; nil unless that is at least one label.
  private static func head(of host: CanonicalHost, before suffix: String) -> Substring.UTF8View? {
    let bytes = host.description.utf8
    let length = bytes.count - suffix.utf8.count - 1
    guard length > 0, bytes.suffix(suffix.utf8.count).elementsEqual(suffix.utf8) else { return nil }
    let dot = bytes.index(bytes.startIndex, offsetBy: length)
    guard bytes[dot] == UInt8(ascii: ".") else { return nil }
    return bytes[..<dot]
  }
}

import PalanaCore

/// `HOST`, `HOST:PORT`, `[IPv6]` or `[IPv6]:PORT` on the command line.
struct HostAndPort: Hashable, Sendable {
  /// As written, without brackets; the server judges it.
  var host: String
  var port: Int?

  /// - Throws: ``PalanaError`` with code `invalid`.
  init(_ text: String) throws(PalanaError) {
    func fail(_ why: String) -> PalanaError {
      PalanaError(
        .invalid, "‘\(text.prefix(120))’ is not HOST[:PORT]: \(why)",
        hint: "for example api.github.com or api.github.com:8443")
    }
    if text.contains("/") { throw fail("no scheme and no path here") }
    var rest = text[...]
    if rest.first == "[" {
      guard let end = rest.firstIndex(of: "]") else { throw fail("the bracket is not closed") }
      host = String(rest[rest.index(after: rest.startIndex)..<end])
      rest = rest[rest.index(after: end)...]
    } else if rest.filter({ $0 == ":" }).count > 1 {
      // A bare IPv6 address.
      host = text
      rest = ""
    } else {
      host = String(rest.prefix { $0 != ":" })
      rest = rest.drop { $0 != ":" }
    }
    guard !host.isEmpty else { throw fail("there is no host") }
    guard !rest.isEmpty else { return }
    guard rest.first == ":", let number = Int(rest.dropFirst()), (1...65_535).contains(number),
      rest.dropFirst().first != "+"
    else { throw fail("a port is 1 to 65535") }
    port = number
  }
}

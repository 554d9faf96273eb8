package import PalanaCore
import PalanaPolicy

extension BoundDestination {
  /// Reads `HOST`, `HOST:PORT` or either with `https://` or `http://` in front. The port is 443, or 80 for `http://`.
  /// IPv6 addresses with a port stand in brackets. The host may be a pattern.
  ///
  /// - Throws: ``PalanaError`` with code `invalid`.
  package static func parse(_ text: String) throws(PalanaError) -> BoundDestination {
    var rest = text[...]
    var scheme = EgressRequest.Scheme.https
    if rest.hasPrefix("https://") {
      rest = rest.dropFirst(8)
    } else if rest.hasPrefix("http://") {
      scheme = .http
      rest = rest.dropFirst(7)
    }
    var host = rest
    var port: Substring?
    if rest.hasPrefix("["), let end = rest.firstIndex(of: "]") {
      host = rest[...end]
      let after = rest[rest.index(after: end)...]
      guard after.isEmpty || after.hasPrefix(":") else { throw refuse(text) }
      port = after.isEmpty ? nil : after.dropFirst()
    } else if let colon = rest.firstIndex(of: ":"), rest[rest.index(after: colon)...].firstIndex(of: ":") == nil {
      host = rest[..<colon]
      port = rest[rest.index(after: colon)...]
    }
    var number: UInt16 = scheme == .https ? 443 : 80
    if let port {
      guard (1...5).contains(port.utf8.count), port.utf8.allSatisfy({ (48...57).contains($0) }),
        let value = UInt16(port),
        value > 0
      else { throw refuse(text) }
      number = value
    }
    return BoundDestination(host: try HostPattern.parse(String(host)), port: number, scheme: scheme)
  }

  private static func refuse(_ text: String) -> PalanaError {
    PalanaError(
      .invalid, "‘\(SecretNames.shown(text))’ is not a destination",
      hint: "write HOST or HOST:PORT, for example api.github.com")
  }
}

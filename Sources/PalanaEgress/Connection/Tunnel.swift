import PalanaCore
import PalanaPolicy

/// A CONNECT that was allowed: the one authority that everything inside must name.
final class Tunnel {
  let authority: Authority
  /// The `Host` texts that name the authority without being parsed: nearly every client writes one of these.
  let hostTexts: [[UInt8]]
  /// What is written to the upstream as `Host`.
  let hostText: String
  /// The CONNECT itself, for its event if nothing else happens inside.
  let opening: Exchange
  /// Whether any request inside was written down: then the CONNECT needs no event of its own.
  var hasRequests = false

  init(authority: Authority, opening: Exchange) {
    self.authority = authority
    self.opening = opening
    let full = authority.description
    hostText = authority.hostText(for: .https)
    hostTexts = [Array(hostText.utf8), Array(full.utf8)]
  }
}

extension Authority {
  /// The authority as a `Host` field says it: without the port that the scheme implies (RFC 9110 §4.2).
  func hostText(for scheme: EgressRequest.Scheme) -> String {
    guard port == (scheme == .https ? 443 : 80) else { return description }
    if case .address(let address) = host.form, case .v6 = address { return "[\(host)]" }
    return host.description
  }
}

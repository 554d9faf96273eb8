package import PalanaCore

/// Which names a request may be addressed to.
///
/// A web page on a hostile name that resolves to this machine (DNS rebinding) makes the browser send that name in
/// `Host`; only the names that this listener is meant to have are answered.
package struct HostCheck: Hashable, Sendable {
  private var names: Set<String>

  /// - Parameter names: host names or addresses (IPv6 without brackets), without ports.
  package init(names: [String]) {
    self.names = Set(names.map { $0.lowercased() })
  }

  /// For a listener on `address`: the address itself, the loopback names when it is on loopback, and `extra`.
  package init(listening address: IPAddress, extra: [String]) {
    let own = [address.description]
    self.init(names: own + (Self.isLoopback(address) ? ["localhost", "127.0.0.1", "::1"] : []) + extra)
  }

  /// Whether `authority` (`host`, `host:port`, `[v6]:port`) names one of the hosts.
  package func allows(_ authority: String?) -> Bool {
    guard let authority else { return false }
    let host: Substring
    if authority.hasPrefix("[") {
      guard let end = authority.firstIndex(of: "]") else { return false }
      host = authority[authority.index(after: authority.startIndex)..<end]
      let rest = authority[authority.index(after: end)...]
      guard rest.isEmpty || rest.first == ":" && Self.isPort(rest.dropFirst()) else { return false }
    } else if let colon = authority.firstIndex(of: ":") {
      host = authority[..<colon]
      guard Self.isPort(authority[authority.index(after: colon)...]) else { return false }
    } else {
      host = authority[...]
    }
    return names.contains(host.lowercased())
  }

  /// 127.0.0.0/8 or ::1.
  package static func isLoopback(_ address: IPAddress) -> Bool {
    switch address {
    case .v4(let bits): bits >> 24 == 127
    case .v6(let high, let low): high == 0 && low == 1
    }
  }

  private static func isPort(_ text: Substring) -> Bool {
    (1...5).contains(text.utf8.count) && text.utf8.allSatisfy { (48...57).contains($0) }
  }
}

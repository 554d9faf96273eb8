import NIOCore
package import PalanaCore

/// How agents are served that ignore the proxy variables.
package struct TransparentConfiguration: Sendable {
  /// Where redirected connections arrive, at the gateway's address. Zero: the system chooses one.
  package var listenPort: UInt16
  /// UDP and TCP port of the resolver, at the gateway's address. Zero: the system chooses one.
  package var resolverPort: UInt16
  /// IPv4 addresses that stand for names. Nothing on the network may have one of them.
  package var range: CIDR
  /// Finds where a connection was to go before it was redirected.
  var destination: OriginalDestination.Lookup = OriginalDestination.ask

  /// The range of RFC 2544, which no host on the internet has.
  package static let defaultRange = "198.18.0.0/15"

  /// - Throws: ``PalanaError`` with code `invalid` for a range that is not IPv4 with 8 to 24 bits.
  package init(listenPort: UInt16, resolverPort: UInt16 = 53, range: CIDR) throws(PalanaError) {
    guard case .v4 = range.base, (8...24).contains(range.prefix) else {
      throw PalanaError(.invalid, "the range for names, \(range), is not an IPv4 range of 8 to 24 bits")
    }
    self.listenPort = listenPort
    self.resolverPort = resolverPort
    self.range = range
  }
}

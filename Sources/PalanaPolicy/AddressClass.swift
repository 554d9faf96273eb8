package import PalanaCore

/// What kind of address it is, after the IANA special-purpose address registries for IPv4 and IPv6.
package enum AddressClass: String, Hashable, Sendable, CaseIterable, Codable {
  /// Globally reachable, nothing special.
  case `public`
  case unspecified
  case loopback
  /// RFC 1918, and the deprecated site-local range of IPv6.
  case privateUse = "private"
  /// RFC 4193.
  case uniqueLocal = "unique_local"
  case linkLocal = "link_local"
  /// Where a cloud answers with credentials or configuration of the machine.
  case metadata
  /// RFC 6598.
  case carrierGrade = "carrier_grade"
  case multicast
  case broadcast
  case documentation
  case benchmarking
  /// Everything else that is not for the public internet.
  case reserved
}

extension AddressClass {
  /// Classifies an address. An IPv6 address that carries an IPv4 address (mapped, compatible, translated, NAT64, 6to4,
  /// Teredo) has the class of what it carries, because that is where packets to it arrive. Teredo is reserved at best.
  package static func of(_ address: IPAddress) -> AddressClass {
    SpecialRange.covering(address)?.addressClass ?? .public
  }
}

import PalanaCore

/// One row of the special-purpose registries, with what the clouds added.
struct SpecialRange: Sendable {
  /// Nil: no range that an operator names opens it.
  let range: CIDR?
  let addressClass: AddressClass

  /// Whether `other` lies wholly within this range.
  func holds(_ other: CIDR) -> Bool {
    guard let range else { return false }
    return range.contains(other.base) && other.prefix >= range.prefix
  }

  /// The most specific special range of `address`; nil: it is public.
  static func covering(_ address: IPAddress) -> SpecialRange? {
    switch address {
    case .v4: return first(in: v4, address)
    case .v6(let high, _):
      let carried = EmbeddedAddress.carried(by: address)
      for inner in carried {
        // What it carries decides the class; the range is the address alone, so that a range for the IPv4 form opens
        // nothing here.
        guard let special = covering(inner) else { continue }
        return SpecialRange(range: try? CIDR("\(address)/128"), addressClass: special.addressClass)
      }
      if let special = first(in: v6, address) { return special }
      // Only 2000::/3 is given out for the internet; mapped and NAT64 addresses that arrive here carry a public one.
      if high >> 61 == 1 || !carried.isEmpty { return nil }
      return SpecialRange(range: nil, addressClass: .reserved)
    }
  }

  private static func first(in table: [SpecialRange], _ address: IPAddress) -> SpecialRange? {
    for row in table where row.range?.contains(address) == true { return row }
    return nil
  }

  private static func rows(_ text: [(String, AddressClass)]) -> [SpecialRange] {
    // A test checks that no row of the tables is lost here.
    text.compactMap { pair in (try? CIDR(pair.0)).map { SpecialRange(range: $0, addressClass: pair.1) } }
  }

  /// First match wins: single addresses stand in front of the ranges that hold them.
  static let v4 = rows(v4Text)
  static let v6 = rows(v6Text)

  static let v4Text: [(String, AddressClass)] = [
    ("169.254.169.254/32", .metadata),  // AWS, Google Cloud, Azure, OCI, DigitalOcean, Hetzner, OpenStack
    ("169.254.170.2/32", .metadata),  // AWS ECS task credentials
    ("169.254.170.23/32", .metadata),  // AWS EKS pod identity
    ("169.254.169.253/32", .metadata),  // AWS resolver
    ("169.254.169.123/32", .metadata),  // AWS time
    ("169.254.169.249/32", .metadata), ("169.254.169.250/32", .metadata), ("169.254.169.251/32", .metadata),
    ("169.254.0.23/32", .metadata), ("169.254.10.10/32", .metadata),  // Tencent Cloud
    ("169.254.42.42/32", .metadata),  // Scaleway
    ("100.100.100.200/32", .metadata),  // Alibaba Cloud
    ("168.63.129.16/32", .metadata),  // Azure wire server, in public space
    ("192.0.0.192/32", .metadata),  // Oracle Cloud classic
    ("0.0.0.0/32", .unspecified), ("0.0.0.0/8", .reserved),
    ("10.0.0.0/8", .privateUse), ("172.16.0.0/12", .privateUse), ("192.168.0.0/16", .privateUse),
    ("100.64.0.0/10", .carrierGrade), ("127.0.0.0/8", .loopback), ("169.254.0.0/16", .linkLocal),
    ("192.0.2.0/24", .documentation), ("198.51.100.0/24", .documentation), ("203.0.113.0/24", .documentation),
    ("192.0.0.0/24", .reserved), ("192.88.99.0/24", .reserved), ("198.18.0.0/15", .benchmarking),
    ("224.0.0.0/4", .multicast), ("255.255.255.255/32", .broadcast), ("240.0.0.0/4", .reserved),
  ]

  static let v6Text: [(String, AddressClass)] = [
    ("fd00:ec2::254/128", .metadata), ("fd00:ec2::253/128", .metadata), ("fd00:ec2::123/128", .metadata),
    ("fd00:ec2::23/128", .metadata),  // AWS
    ("fd20:ce::254/128", .metadata),  // Google Cloud
    ("fd00:c1::a9fe:a9fe/128", .metadata),  // OCI
    ("fd00:42::42/128", .metadata),  // Scaleway
    ("fd00:a9fe:a9fe::1/128", .metadata),  // Linode
    ("fe80::a9fe:a9fe/128", .metadata),  // OpenStack
    ("::/128", .unspecified), ("::1/128", .loopback),
    ("64:ff9b:1::/48", .reserved), ("100::/64", .reserved), ("100:0:0:1::/64", .reserved),
    ("2001:2::/48", .benchmarking), ("2001::/23", .reserved), ("2001:db8::/32", .documentation),
    ("3fff::/20", .documentation),
    ("5f00::/16", .reserved), ("fc00::/7", .uniqueLocal), ("fe80::/10", .linkLocal), ("fec0::/10", .privateUse),
    ("ff00::/8", .multicast),
  ]
}

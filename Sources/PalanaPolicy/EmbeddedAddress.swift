import PalanaCore

/// The IPv4 addresses that an IPv6 address carries.
enum EmbeddedAddress {
  /// Empty for an address that carries none. Teredo carries two: the server and the client.
  static func carried(by address: IPAddress) -> [IPAddress] {
    guard case .v6(let high, let low) = address else { return [] }
    let last = UInt32(truncatingIfNeeded: low)
    if high == 0 {
      switch low >> 32 {
      // ::ffff:a.b.c.d (RFC 4291 §2.5.5.2) and ::a.b.c.d (§2.5.5.1), without :: and ::1.
      case 0xffff: return [.v4(last)]
      case 0 where low > 1: return [.v4(last)]
      // ::ffff:0:a.b.c.d (RFC 2765 §2.1).
      case 0xffff_0000: return [.v4(last)]
      default: return []
      }
    }
    // 64:ff9b::a.b.c.d (RFC 6052 §2.1).
    if high == 0x0064_ff9b_0000_0000, low >> 32 == 0 { return [.v4(last)] }
    // 2002:aabb:ccdd::/48 (RFC 3056 §2).
    if high >> 48 == 0x2002 { return [.v4(UInt32(truncatingIfNeeded: high >> 16))] }
    // 2001:0:server::…:~client (RFC 4380 §4).
    if high >> 32 == 0x2001_0000 { return [.v4(UInt32(truncatingIfNeeded: high)), .v4(~last)] }
    return []
  }
}

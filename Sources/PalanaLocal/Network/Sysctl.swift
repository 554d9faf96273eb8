import CLinux
import Glibc

/// Settings of one of the host's interfaces below `/proc/sys/net`.
enum Sysctl {
  /// Writes settings of `interface`, such as `ipv4/forwarding`. A setting that this kernel does not have is left out when the
  /// kernel has no such protocol at all (IPv6), and is an error otherwise.
  static func write(interface: String, _ settings: [(key: String, value: String)]) throws(NetlinkError) {
    for (key, value) in settings {
      let parts = key.split(separator: "/", maxSplits: 1)
      guard parts.count == 2 else { throw NetlinkError(EINVAL, "set \(key)") }
      let code = unsafe clnet_write("/proc/sys/net/\(parts[0])/conf/\(interface)/\(parts[1])", value)
      guard code == 0 || (code == -ENOENT && parts[0] == "ipv6") else {
        throw NetlinkError(-code, "set \(key) of \(interface)")
      }
    }
  }

  /// No IPv6 on this interface, not even a link-local address.
  static let noIPv6 = [(key: "ipv6/disable_ipv6", value: "1"), (key: "ipv6/accept_ra", value: "0")]

  /// The bridge's settings: it answers for its own address only, believes no redirect, source route or packet with one of
  /// the host's own addresses, and routes only when there are peers.
  static func bridge(forwarding: Bool) -> [(key: String, value: String)] {
    noIPv6 + [
      ("ipv4/forwarding", forwarding ? "1" : "0"), ("ipv4/rp_filter", "1"), ("ipv4/arp_ignore", "1"),
      ("ipv4/arp_announce", "2"), ("ipv4/proxy_arp", "0"), ("ipv4/accept_redirects", "0"),
      ("ipv4/secure_redirects", "0"), ("ipv4/send_redirects", "0"), ("ipv4/accept_source_route", "0"),
      ("ipv4/accept_local", "0"), ("ipv4/route_localnet", "0"), ("ipv4/bootp_relay", "0"),
    ]
  }
}

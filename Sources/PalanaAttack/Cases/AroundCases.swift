import PalanaControlAPI

/// There is no way beside the gateway: whatever the agent dials, nobody else is at the other end.
enum AroundCases {
  static func all(_ job: AttackJob) -> [AttackCase] {
    streams.map { name, endpoint in stream(name, endpoint, "No TCP connection leaves beside the gateway.") }
      + datagrams.map { name, endpoint in datagram(name, endpoint, "No datagram leaves beside the gateway.") }
      + pings.map { name, address in
        AttackCase(
          .around, "ping-\(name)", "No ICMP leaves.", .ping(address), .silence, sent: "an ICMP echo to \(address)",
          destination: Endpoint(address, 0))
      }
      + job.neighbours.enumerated().flatMap { index, address in
        [22, 80, 8080].map { stream("neighbour-\(index + 1)-\($0)", Endpoint(address, $0), "Agents do not reach each other.") }
          + [datagram("neighbour-\(index + 1)-udp", Endpoint(address, 53), "Agents do not reach each other.")]
      }
      + job.machine.enumerated().flatMap { index, address in
        [stream("machine-\(index + 1)-22", Endpoint(address, 22), "The machine's other addresses are not reached.")]
          + [datagram("machine-\(index + 1)-udp", Endpoint(address, 53), "The machine's other addresses are not reached.")]
      }
  }

  /// A question that every web server answers, and that changes nothing there.
  static func stream(_ name: String, _ endpoint: Endpoint, _ claim: String, family: AttackFamily = .around) -> AttackCase {
    AttackCase(
      family, name, claim, .stream(endpoint, Array("GET / HTTP/1.0\r\nhost: \(endpoint)\r\n\r\n".utf8), ends: false), .nobody,
      sent: "a TCP connection to \(endpoint)", destination: endpoint)
  }

  private static func datagram(_ name: String, _ endpoint: Endpoint, _ claim: String) -> AttackCase {
    AttackCase(
      .around, name, claim, .datagram(endpoint, DNSQuestion.bytes("example.invalid")), .silence, sent: "a datagram to \(endpoint)",
      destination: endpoint)
  }

  private static let streams: [(String, Endpoint)] = [
    ("tcp-documentation", Endpoint("192.0.2.7", 80)), ("tcp-metadata", Endpoint("169.254.169.254", 80)),
    ("tcp-metadata-ecs", Endpoint("169.254.170.2", 80)), ("tcp-metadata-azure", Endpoint("168.63.129.16", 80)),
    ("tcp-metadata-alibaba", Endpoint("100.100.100.200", 80)), ("tcp-public", Endpoint("9.9.9.9", 80)),
    ("tcp-public-odd-port", Endpoint("9.9.9.9", 9001)), ("tcp-private-10", Endpoint("10.0.0.1", 80)),
    ("tcp-private-172", Endpoint("172.17.0.1", 80)), ("tcp-private-192", Endpoint("192.168.122.1", 80)),
    ("tcp-multicast", Endpoint("224.0.0.1", 80)),
    ("v6-public", Endpoint("2620:fe::fe", 80)), ("v6-metadata", Endpoint("fd00:ec2::254", 80)),
    ("v6-mapped", Endpoint("::ffff:9.9.9.9", 80)),
    ("v6-link-local", Endpoint("fe80::1", 80)),
  ]

  private static let datagrams: [(String, Endpoint)] = [
    ("udp-quic", Endpoint("9.9.9.9", 443)), ("udp-ntp", Endpoint("162.159.200.123", 123)),
    ("udp-metadata", Endpoint("169.254.169.254", 80)),
    ("udp-broadcast-dhcp", Endpoint("255.255.255.255", 67)), ("udp-ssdp", Endpoint("239.255.255.250", 1900)),
    ("udp-v6", Endpoint("2620:fe::fe", 53)),
  ]

  private static let pings: [(String, String)] = [("public", "9.9.9.9"), ("metadata", "169.254.169.254")]
}

import PalanaControlAPI

/// No spelling of an address that is not public is dialled.
enum AddressCases {
  static func all(_ job: AttackJob) -> [AttackCase] {
    let speaker = ProxySpeaker(job)
    return literals.map { name, literal, meant in
      AttackCase(
        .addresses, "connect-\(name)", "No spelling of an address that is not public is dialled.",
        speaker.stream(speaker.connect("\(literal):80")), .refused, sent: "CONNECT \(literal):80", destination: Endpoint(meant, 80))
    }
      + inClear.map { name, literal, meant in
        AttackCase(
          .addresses, "plain-\(name)", "No spelling of an address that is not public is dialled, in clear either.",
          speaker.stream(speaker.plain("http://\(literal)/", host: literal)), .refused, sent: "GET http://\(literal)/",
          destination: Endpoint(meant, 80))
      }
      + [("gateway", Endpoint(job.gateway, job.proxyPort)), ("gateway-80", Endpoint(job.gateway, 80))].map { name, endpoint in
        AttackCase(
          .addresses, name, "The gateway does not dial itself.", speaker.stream(speaker.connect(endpoint.description)), .refused,
          sent: "CONNECT \(endpoint)", destination: endpoint)
      }
      + job.neighbours.enumerated().map { index, address in
        AttackCase(
          .addresses, "neighbour-\(index + 1)", "The gateway is no way to another agent.",
          speaker.stream(speaker.connect("\(address):80")), .refused, sent: "CONNECT \(address):80 (another agent)",
          destination: Endpoint(address, 80))
      }
      + job.machine.enumerated().map { index, address in
        AttackCase(
          .addresses, "machine-\(index + 1)", "The gateway is no way to the machine's other addresses.",
          speaker.stream(speaker.connect("\(address):22")), .refused, sent: "CONNECT \(address):22 (this machine)",
          destination: Endpoint(address, 22))
      }
  }

  private static let loop = "127.0.0.1"
  private static let metadata = "169.254.169.254"

  /// A spelling, and the address that a lax reader takes it for.
  private static let literals: [(String, String, String)] =
    [
      ("loopback", loop, loop), ("loopback-high", "127.255.255.254", "127.255.255.254"), ("any", "0.0.0.0", "0.0.0.0"),
      ("this-network", "0.1.2.3", "0.1.2.3"), ("private-10", "10.0.0.1", "10.0.0.1"), ("private-172", "172.16.0.1", "172.16.0.1"),
      ("private-192", "192.168.0.1", "192.168.0.1"), ("carrier", "100.64.0.1", "100.64.0.1"),
      ("link-local", "169.254.1.1", "169.254.1.1"), ("metadata", metadata, metadata), ("metadata-ecs", "169.254.170.2", "169.254.170.2"),
      ("metadata-alibaba", "100.100.100.200", "100.100.100.200"), ("metadata-azure", "168.63.129.16", "168.63.129.16"),
      ("metadata-oracle", "192.0.0.192", "192.0.0.192"), ("documentation", "192.0.2.1", "192.0.2.1"),
      ("benchmark", "198.18.0.1", "198.18.0.1"), ("multicast", "224.0.0.1", "224.0.0.1"), ("reserved", "240.0.0.1", "240.0.0.1"),
      ("broadcast", "255.255.255.255", "255.255.255.255"),
      ("hex", "0x7f000001", loop), ("hex-dotted", "0x7f.0.0.1", loop), ("hex-metadata", "0xa9fea9fe", metadata),
      ("decimal", "2130706433", loop), ("decimal-metadata", "2852039166", metadata), ("octal", "017700000001", loop),
      ("octal-dotted", "0177.0.0.1", loop), ("octal-metadata", "0251.0376.0251.0376", metadata), ("short-2", "127.1", loop),
      ("short-3", "127.0.1", loop), ("zero", "0", "0.0.0.0"), ("leading-zero", "127.0.0.01", loop),
      ("mixed-radix", "169.0xfe.0251.254", metadata), ("overflow", "4294967297", "0.0.0.1"), ("trailing-dot", "127.0.0.1.", loop),
      ("trailing-dot-metadata", "169.254.169.254.", metadata), ("wide-digits", "\u{ff11}27.0.0.1", loop),
      ("circled", "\u{2460}27.0.0.1", loop), ("percent", "%31%32%37.0.0.1", loop),
    ] + bracketed.map { ($0, "[\($1)]", $1) } + [
      ("v6-zone", "[fe80::1%25eth0]", "fe80::1"), ("v6-no-brackets", "::1", "::1"), ("v-future", "[v1.127.0.0.1]", loop),
    ]

  private static let bracketed: [(String, String)] = [
    ("v6-loopback", "::1"), ("v6-long", "0:0:0:0:0:0:0:1"), ("v6-any", "::"), ("v6-mapped", "::ffff:127.0.0.1"),
    ("v6-mapped-hex", "::ffff:7f00:1"), ("v6-mapped-metadata", "::ffff:a9fe:a9fe"), ("v6-compatible", "::127.0.0.1"),
    ("v6-translated", "::ffff:0:127.0.0.1"), ("nat64", "64:ff9b::7f00:1"), ("nat64-metadata", "64:ff9b::a9fe:a9fe"),
    ("six-to-four", "2002:7f00:1::"), ("teredo", "2001:0:7f00:1::"), ("unique-local", "fd00::1"), ("v6-metadata", "fd00:ec2::254"),
    ("v6-link-local", "fe80::1"), ("v6-multicast", "ff02::1"), ("v6-documentation", "2001:db8::1"),
  ]

  private static let inClear: [(String, String, String)] = [
    ("loopback", loop, loop), ("metadata", metadata, metadata), ("decimal-metadata", "2852039166", metadata),
    ("hex-metadata", "0xa9fea9fe", metadata), ("octal", "0177.0.0.1", loop), ("short", "127.1", loop),
    ("trailing-dot", "127.0.0.1.", loop), ("v6-loopback", "[::1]", "::1"), ("v6-mapped-metadata", "[::ffff:a9fe:a9fe]", metadata),
  ]
}

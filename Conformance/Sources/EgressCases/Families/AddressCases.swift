/// No spelling of an address, and no name that leads to one, reaches what is not public.
enum AddressCases {
  static let all: [EgressCase] = literals.map { connect($0, $1) } + literals.filter { !$1.contains("%") }.map { plain($0, $1) } + special

  private static let literals: [(String, String)] = [
    ("loopback", "127.0.0.1"), ("loopback-high", "127.255.255.254"), ("any", "0.0.0.0"), ("this-network", "0.1.2.3"),
    ("private-10", "10.0.0.1"),
    ("private-172", "172.16.0.1"), ("private-192", "192.168.1.1"), ("carrier", "100.64.0.1"), ("link-local", "169.254.1.1"),
    ("metadata-aws", "169.254.169.254"), ("metadata-ecs", "169.254.170.2"), ("metadata-alibaba", "100.100.100.200"),
    ("metadata-azure-wire", "168.63.129.16"), ("metadata-oracle", "192.0.0.192"), ("documentation", "192.0.2.1"),
    ("benchmark", "198.18.0.1"),
    ("multicast", "224.0.0.1"), ("broadcast", "255.255.255.255"), ("reserved", "240.0.0.1"), ("hex", "0x7f000001"),
    ("hex-dotted", "0x7f.0.0.1"),
    ("hex-metadata", "0xa9fea9fe"), ("decimal", "2130706433"), ("decimal-metadata", "2852039166"), ("octal", "017700000001"),
    ("octal-dotted", "0177.0.0.1"), ("octal-metadata", "0251.0376.0251.0376"), ("short-2", "127.1"), ("short-3", "127.0.1"),
    ("one-zero", "0"),
    ("leading-zero", "127.0.0.01"), ("mixed-radix", "169.0xfe.0251.254"), ("overflow", "256.0.0.1"), ("overflow-32", "4294967297"),
    ("trailing-dot", "127.0.0.1."), ("trailing-dot-metadata", "169.254.169.254."), ("wide-digits", "\u{ff11}27.0.0.1"),
    ("circled", "\u{2460}27.0.0.1"),
    ("percent", "%31%32%37.0.0.1"), ("v6-loopback", "[::1]"), ("v6-loopback-long", "[0:0:0:0:0:0:0:1]"), ("v6-any", "[::]"),
    ("v6-mapped", "[::ffff:127.0.0.1]"), ("v6-mapped-hex", "[::ffff:7f00:1]"), ("v6-mapped-metadata", "[::ffff:a9fe:a9fe]"),
    ("v6-compatible", "[::127.0.0.1]"), ("v6-translated", "[::ffff:0:127.0.0.1]"), ("nat64", "[64:ff9b::7f00:1]"),
    ("nat64-metadata", "[64:ff9b::a9fe:a9fe]"),
    ("nat64-local", "[64:ff9b:1::a9fe:a9fe]"), ("six-to-four", "[2002:7f00:1::]"), ("six-to-four-metadata", "[2002:a9fe:a9fe::1]"),
    ("teredo", "[2001:0:7f00:1::]"), ("isatap", "[fe80::5efe:7f00:1]"), ("unique-local", "[fd00::1]"), ("v6-metadata", "[fd00:ec2::254]"),
    ("v6-link-local", "[fe80::1]"), ("v6-zone", "[fe80::1%25eth0]"), ("v6-zone-raw", "[fe80::1%eth0]"), ("site-local", "[fec0::1]"),
    ("v6-multicast", "[ff02::1]"), ("v6-documentation", "[2001:db8::1]"), ("v6-no-brackets", "::1"), ("v-future", "[v1.127.0.0.1]"),
    ("double-brackets", "[[::1]]"),
  ]

  private static func connect(_ name: String, _ literal: String) -> EgressCase {
    EgressCase(.addresses, "connect-\(name)", "No spelling of a special address is dialled.", isSafe: true) { attack in
      try await attack.refusedOrClosed { try await attack.askProxy(attack.connectHead("\(literal):80")) }
    }
  }

  private static func plain(_ name: String, _ literal: String) -> EgressCase {
    EgressCase(.addresses, "plain-\(name)", "No spelling of a special address is dialled, in clear either.", isSafe: true) { attack in
      try await attack.refusedOrClosed {
        try await attack.askProxy(attack.plain("http://\(literal)/latest/meta-data/", host: literal))
      }
    }
  }

  private static let special = [
    EgressCase(.addresses, "names-that-lead-inside", "A name that is allowed and leads to a special address is refused.") { attack in
      guard !attack.target.names.special.isEmpty else { throw Missing("no names that lead inside are set up") }
      for name in attack.target.names.special {
        let answer: Answer
        do { answer = try await attack.ask(attack.request(host: attack.authority(name)), name: name) } catch let refused as Refused {
          answer = refused.answer
        }
        let verdict = attack.refused(answer, "address_not_allowed")
        guard verdict == .held else { return .broken("\(name): \(verdict)") }
      }
      return .held
    },
    EgressCase(.addresses, "the-gateway-itself", "The gateway's own address is refused.", isSafe: true) { attack in
      let answer = try await attack.connect("\(attack.target.proxy.address):\(attack.target.proxy.port)").answer
      return attack.refused(answer, "address_not_allowed", "host_not_allowed", "port_not_allowed")
    },
    EgressCase(.addresses, "the-other-agent", "Another agent's address is refused.") { attack in
      guard let source = try attack.b.source else { throw Missing("the second agent's address is not known") }
      return attack.refused(try await attack.connect("\(source):80").answer, "address_not_allowed", "host_not_allowed")
    },
  ]
}

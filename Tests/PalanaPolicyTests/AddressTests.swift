import PalanaCore
import Testing

@testable import PalanaPolicy

@Suite struct AddressClassTests {
  @Test(
    arguments: [
      ("8.8.8.8", .public), ("1.1.1.1", .public), ("223.255.255.255", .public), ("0.0.0.0", .unspecified),
      ("0.0.0.1", .reserved),
      ("9.255.255.255", .public), ("10.0.0.0", .privateUse), ("10.255.255.255", .privateUse), ("11.0.0.0", .public),
      ("100.63.255.255", .public),
      ("100.64.0.0", .carrierGrade), ("100.127.255.255", .carrierGrade), ("100.128.0.0", .public),
      ("127.0.0.1", .loopback),
      ("127.255.255.255", .loopback), ("128.0.0.0", .public), ("169.254.0.1", .linkLocal),
      ("169.254.255.255", .linkLocal),
      ("172.15.255.255", .public), ("172.16.0.0", .privateUse), ("172.31.255.255", .privateUse),
      ("172.32.0.0", .public),
      ("192.0.0.1", .reserved), ("192.0.2.1", .documentation), ("192.88.99.1", .reserved), ("192.168.0.1", .privateUse),
      ("192.169.0.1", .public),
      ("198.17.255.255", .public), ("198.18.0.1", .benchmarking), ("198.19.255.255", .benchmarking),
      ("198.51.100.1", .documentation),
      ("203.0.113.1", .documentation), ("224.0.0.1", .multicast), ("239.255.255.255", .multicast),
      ("240.0.0.1", .reserved),
      ("255.255.255.254", .reserved), ("255.255.255.255", .broadcast),
      // Metadata of the clouds.
      ("169.254.169.254", .metadata), ("169.254.170.2", .metadata), ("169.254.170.23", .metadata),
      ("100.100.100.200", .metadata),
      ("168.63.129.16", .metadata), ("192.0.0.192", .metadata), ("169.254.42.42", .metadata),
      ("169.254.0.23", .metadata),
      ("fd00:ec2::254", .metadata), ("fd00:ec2::23", .metadata), ("fd20:ce::254", .metadata),
      ("fe80::a9fe:a9fe", .metadata),
      // IPv6.
      ("2606:4700::1111", .public), ("2001:4860:4860::8888", .public), ("3ffe::1", .public), ("::", .unspecified),
      ("::1", .loopback),
      ("fe80::1", .linkLocal), ("febf::1", .linkLocal), ("fec0::1", .privateUse), ("fc00::1", .uniqueLocal),
      ("fdff::1", .uniqueLocal),
      ("ff02::1", .multicast), ("100::1", .reserved), ("100:0:0:1::1", .reserved), ("2001:db8::1", .documentation),
      ("3fff::1", .documentation),
      ("3fff:1000::1", .public), ("2001:2::1", .benchmarking), ("5f00::1", .reserved), ("4000::1", .reserved),
      ("64:ff9b:1::1", .reserved),
      ("1::1", .reserved), ("2001:10::1", .reserved), ("2001:1::1", .reserved),
      // IPv4 inside IPv6.
      ("::ffff:127.0.0.1", .loopback), ("::ffff:10.0.0.1", .privateUse), ("::ffff:8.8.8.8", .public),
      ("::ffff:169.254.169.254", .metadata),
      ("::127.0.0.1", .loopback), ("::ffff:0:10.0.0.1", .privateUse), ("64:ff9b::169.254.169.254", .metadata),
      ("64:ff9b::8.8.8.8", .public),
      ("64:ff9b::c0a8:101", .privateUse), ("2002:7f00:1::", .loopback), ("2002:a9fe:a9fe::1", .metadata),
      ("2002:808:808::1", .public),
      ("2001:0:a9fe:a9fe::f7f7:f7f7", .metadata), ("2001:0:808:808::80ff:fffe", .loopback),
      ("2001:0:808:808::f7f7:f7f7", .reserved),
      ("::ffff:0.0.0.0", .unspecified), ("::ffff:255.255.255.255", .broadcast),
    ] as [(String, AddressClass)])
  func classes(text: String, expected: AddressClass) throws {
    let address = try #require(IPAddress(text))
    #expect(AddressClass.of(address) == expected)
  }

  @Test func noRowOfTheTablesIsLost() {
    #expect(SpecialRange.v4.count == SpecialRange.v4Text.count)
    #expect(SpecialRange.v6.count == SpecialRange.v6Text.count)
  }
}

@Suite struct AddressPolicyTests {
  private func permits(_ policy: AddressPolicy, _ text: String, _ port: UInt16 = 443) throws -> Bool {
    let address = try #require(IPAddress(text))
    switch policy.permit(address, port: port) {
    case .success(let permit):
      #expect(permit.address == address)
      #expect(permit.port == port)
      return true
    case .failure(let refusal):
      #expect(refusal.reason == .addressNotAllowed)
      #expect(!refusal.explanation.isEmpty)
      return false
    }
  }

  @Test func publicOnlyByDefault() throws {
    let policy = AddressPolicy(allowed: [])
    for text in ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"] { #expect(try permits(policy, text)) }
    for (text, _) in SpecialRange.v4Text + SpecialRange.v6Text {
      #expect(try !permits(policy, String(text.prefix { $0 != "/" })), "\(text)")
    }
  }

  @Test func operatorsOpenRanges() throws {
    let policy = AddressPolicy(allowed: [try CIDR("10.20.0.0/16"), try CIDR("127.0.0.1/32"), try CIDR("fd12::/16")])
    for text in ["10.20.0.1", "10.20.255.255", "127.0.0.1", "fd12::1"] { #expect(try permits(policy, text), "\(text)") }
    for text in [
      "10.21.0.1", "127.0.0.2", "fd13::1", "::ffff:10.20.0.1", "::ffff:127.0.0.1", "64:ff9b::10.20.0.1", "::1",
    ] {
      #expect(try !permits(policy, text), "\(text)")
    }
  }

  @Test func wideRangesOpenNothing() throws {
    let policy = AddressPolicy(allowed: [
      try CIDR("0.0.0.0/0"), try CIDR("::/0"), try CIDR("8.0.0.0/5"), try CIDR("168.0.0.0/6"),
    ])
    for text in ["10.0.0.1", "127.0.0.1", "169.254.1.1", "192.168.1.1", "fd00::1", "fe80::1", "4000::1", "::1"] {
      #expect(try !permits(policy, text), "\(text)")
    }
  }

  @Test func metadataOnlyByItsOwnAddress() throws {
    let wide = AddressPolicy(allowed: [
      try CIDR("169.254.0.0/16"), try CIDR("169.254.169.254/31"), try CIDR("100.64.0.0/10"), try CIDR("fd00::/8"),
    ])
    #expect(try permits(wide, "169.254.1.1"))
    for text in ["169.254.169.254", "100.100.100.200", "fd00:ec2::254", "168.63.129.16"] {
      #expect(try !permits(wide, text))
    }
    let exact = AddressPolicy(allowed: [try CIDR("169.254.169.254"), try CIDR("fd00:ec2::254/128")])
    #expect(try permits(exact, "169.254.169.254"))
    #expect(try permits(exact, "fd00:ec2::254"))
    #expect(try !permits(exact, "::ffff:169.254.169.254"))
  }

  @Test func someAreNeverDialled() throws {
    let policy = AddressPolicy(allowed: [
      try CIDR("0.0.0.0/32"), try CIDR("224.0.0.0/4"), try CIDR("255.255.255.255/32"), try CIDR("ff00::/8"),
      try CIDR("::/128"),
    ])
    for text in ["0.0.0.0", "224.0.0.1", "255.255.255.255", "ff02::1", "::", "::ffff:0.0.0.0"] {
      #expect(try !permits(policy, text))
    }
  }

  @Test func thePlatformsOwnEndpointsAreNeverDialled() throws {
    let local = try #require(IPAddress("127.0.0.1"))
    let bridge = try #require(IPAddress("10.77.0.1"))
    let policy = AddressPolicy(
      allowed: [try CIDR("127.0.0.0/8"), try CIDR("10.77.0.0/16"), try CIDR("::ffff:7f00:1/128")],
      forbiddenEndpoints: [
        .init(address: local, port: 7180), .init(address: bridge, port: nil), .init(address: .v4(0), port: 9090),
        .init(address: .v4(0x0808_0808), port: 53),
      ])
    #expect(try permits(policy, "127.0.0.1", 8080))
    #expect(try !permits(policy, "127.0.0.1", 7180))
    #expect(try !permits(policy, "::ffff:127.0.0.1", 7180))
    #expect(try !permits(policy, "10.77.0.1", 1))
    #expect(try permits(policy, "10.77.0.2", 1))
    #expect(try !permits(policy, "10.77.0.2", 9090))
    #expect(try permits(policy, "8.8.4.4", 9090))
    #expect(try !permits(policy, "8.8.8.8", 53))
    #expect(try permits(policy, "8.8.8.8", 443))
  }

  @Test(arguments: [
    ("10.0.0.0/8", true), ("10.20.30.40", true), ("127.0.0.1/32", true), ("169.254.169.254/32", true),
    ("fd00::/8", true), ("::1/128", true),
    ("fc00::/7", true), ("0.0.0.0/0", false), ("::/0", false), ("8.8.8.8/32", false), ("10.0.0.0/7", false),
    ("169.254.169.254/31", false),
    ("224.0.0.0/4", false), ("255.255.255.255", false), ("0.0.0.0/32", false), ("2001:db8::/31", false),
    ("fc00::/6", false),
  ])
  func rangesAreCheckedWhenConfigured(text: String, good: Bool) throws {
    let range = try CIDR(text)
    if good {
      #expect(throws: Never.self) { try AddressPolicy.validate(range) }
    } else {
      #expect(throws: PalanaError.self) { try AddressPolicy.validate(range) }
    }
  }
}

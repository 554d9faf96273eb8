import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaPolicy
import Testing

@testable import PalanaEgress

/// The family "Names and addresses": one canonical name everywhere, and the address that was checked is the one that is dialled.
@Suite(.timeLimit(.minutes(10)))
struct NamesAndAddressesTests {
  /// Authorities of CONNECT, with the status and reason of the answer. PORT is the upstream's.
  static let authorities: [(authority: String, status: Int, reason: String)] = [
    ("evil.test:PORT", 403, "host_not_allowed"),
    ("allowed.test:1", 403, "port_not_allowed"),
    ("sub.allowed.test:PORT", 403, "host_not_allowed"),
    ("allowed.test.evil.test:PORT", 403, "host_not_allowed"),
    ("allowed.test", 400, "malformed_request"),
    ("allowed.test:", 400, "malformed_request"),
    ("allowed.test:0", 400, "malformed_request"),
    ("allowed.test:65536", 400, "malformed_request"),
    ("allowed.test:+443", 400, "malformed_request"),
    ("allowed.test:0443", 400, "malformed_request"),
    ("user@allowed.test:PORT", 400, "malformed_request"),
    ("allowed.test@evil.test:PORT", 400, "malformed_request"),
    ("allowed..test:PORT", 400, "malformed_request"),
    ("-allowed.test:PORT", 400, "malformed_request"),
    ("xn--llowed-cua.test:PORT", 403, "host_not_allowed"),
    ("0x7f000001:PORT", 400, "malformed_request"),
    ("2130706433:PORT", 400, "malformed_request"),
    ("127.1:PORT", 400, "malformed_request"),
    ("0177.0.0.1:PORT", 400, "malformed_request"),
    ("127.0.0.01:PORT", 400, "malformed_request"),
    ("[::1]:PORT", 403, "address_not_allowed"),
    ("[::ffff:127.0.0.1]:PORT", 403, "address_not_allowed"),
    ("[::ffff:169.254.169.254]:PORT", 403, "address_not_allowed"),
    ("[64:ff9b::a9fe:a9fe]:80", 403, "address_not_allowed"),
    ("[fe80::1%25eth0]:PORT", 400, "malformed_request"),
    ("[::1:PORT", 400, "malformed_request"),
    ("169.254.169.254:80", 403, "address_not_allowed"),
    ("10.0.0.1:443", 403, "address_not_allowed"),
    ("100.64.0.1:443", 403, "address_not_allowed"),
    ("0.0.0.0:443", 403, "address_not_allowed"),
    ("224.0.0.1:443", 403, "address_not_allowed"),
    ("255.255.255.255:443", 403, "address_not_allowed"),
    ("[fd00:ec2::254]:80", 403, "address_not_allowed"),
  ]

  @Test func authoritiesOfConnect() async throws {
    try await GatewayFixture.run { fixture, upstream in
      for (index, row) in Self.authorities.enumerated() {
        let authority = row.authority.replacing("PORT", with: String(upstream.port))
        let answer = try await fixture.client { wire in
          try await wire.send(
            "CONNECT \(authority) HTTP/1.1\r\nhost: \(authority)\r\n"
              + "proxy-authorization: \(GatewayFixture.basic(GatewayFixture.tokenA))\r\n\r\n")
          return try await wire.response()
        }
        #expect(answer?.status == row.status, "\(row.authority)")
        #expect(answer?.reason == row.reason, "\(row.authority)")
        #expect(answer?["content-type"] == "application/json")
        let events = await fixture.sink.events(index + 1)
        #expect(events.count == index + 1, "\(row.authority)")
        #expect(events.last?.reason == row.reason)
        #expect(answer?.member("request_id") == events.last?.request?.id)
      }
      #expect(upstream.connections == 0)
    }
  }

  @Test func otherSpellingsOfTheSameNameAreTheSame() async throws {
    try await GatewayFixture.run { fixture, upstream in
      for name in ["ALLOWED.test", "allowed.test."] {
        let response = try await fixture.tunnel(name, serverName: "allowed.test") { wire in
          try await wire.send("GET / HTTP/1.1\r\nHost: Allowed.TEST.:\(upstream.port)\r\n\r\n")
          return try await wire.response()
        }
        #expect(response?.body.contains("host: allowed.test:\(upstream.port)\r\n") == true, "\(name)")
      }
      #expect(await fixture.sink.events(2).allSatisfy { $0.request?.host == "allowed.test" })
    }
  }

  @Test func theServerNameMustBeTheOneOfConnect() async throws {
    try await GatewayFixture.run { fixture, upstream in
      await #expect(throws: (any Error).self) {
        try await fixture.tunnel("allowed.test", serverName: "other.test") { wire in
          try await wire.send(fixture.request("/"))
          guard try await wire.response() != nil else { throw Wire.Broken() }
        }
      }
      let event = try #require(await fixture.sink.events(1).first)
      #expect(event.reason == "name_mismatch")
      #expect(event.decision == .deny)
      #expect(event.action == "connect")
      #expect(upstream.connections == 0)
    }
  }

  @Test func theHostFieldMustBeTheOneOfConnectInEveryRequest() async throws {
    try await GatewayFixture.run { fixture, upstream in
      let port = upstream.port
      let rows = [
        ("host: other.test:\(port)\r\n", "name_mismatch"), ("host: allowed.test\r\n", "name_mismatch"),
        ("host: allowed.test:1\r\n", "name_mismatch"), ("host: evil.test\r\n", "name_mismatch"),
        ("", "malformed_request"), ("host: \r\n", "malformed_request"),
        ("host: allowed.test:\(port)\r\nhost: allowed.test:\(port)\r\n", "malformed_request"),
        ("host: allowed.test:\(port), other.test\r\n", "malformed_request"),
      ]
      for (field, reason) in rows {
        try await fixture.tunnel { wire in
          // The first request of the tunnel is right: that must not open the way for the next one.
          try await wire.send(fixture.request("/first"))
          #expect(try await wire.response()?.status == 200)
          try await wire.send("GET / HTTP/1.1\r\n\(field)\r\n")
          #expect(try await wire.response()?.reason == reason, "\(field)")
          #expect(try await wire.rest() == "")
        }
      }
      // An absolute target inside the tunnel counts as well.
      try await fixture.tunnel { wire in
        try await wire.send(
          "GET https://other.test:\(port)/ HTTP/1.1\r\nhost: allowed.test:\(port)\r\n\r\n")
        #expect(try await wire.response()?.reason == "name_mismatch")
      }
      #expect(upstream.requests.allSatisfy { $0.hasPrefix("GET /first") })
    }
  }

  @Test func plainRequestsMustAgreeWithThemselves() async throws {
    var options = GatewayFixture.Options()
    options.certificate = nil
    try await GatewayFixture.run(options) { fixture, upstream in
      let port = upstream.port
      let proof = "proxy-authorization: \(GatewayFixture.basic(GatewayFixture.tokenA))\r\n"
      let rows = [
        ("GET http://allowed.test:\(port)/ HTTP/1.1\r\nhost: other.test:\(port)\r\n", "name_mismatch"),
        ("GET https://allowed.test:\(port)/ HTTP/1.1\r\nhost: allowed.test:\(port)\r\n", "malformed_request"),
        ("GET / HTTP/1.1\r\nhost: allowed.test:\(port)\r\n", "malformed_request"),
        ("GET ftp://allowed.test/ HTTP/1.1\r\nhost: allowed.test\r\n", "malformed_request"),
        ("GET http://u:p@allowed.test:\(port)/ HTTP/1.1\r\nhost: allowed.test:\(port)\r\n", "malformed_request"),
        ("GET http://evil.test:\(port)/ HTTP/1.1\r\nhost: evil.test:\(port)\r\n", "host_not_allowed"),
        ("GET http://169.254.169.254/latest/meta-data/ HTTP/1.1\r\nhost: 169.254.169.254\r\n", "address_not_allowed"),
      ]
      for (head, reason) in rows {
        try await fixture.client { wire in
          try await wire.send(head + proof + "\r\n")
          #expect(try await wire.response()?.reason == reason, "\(head)")
        }
      }
      #expect(upstream.connections == 0)
    }
  }

  @Test func anAddressAsAuthorityIsVerifiedAsAnAddress() async throws {
    var options = GatewayFixture.Options()
    options.certificate = "127.0.0.1"
    try await GatewayFixture.run(options) { fixture, upstream in
      let answer = try await fixture.client { wire in
        try await wire.send(fixture.connect("127.0.0.1"))
        #expect(try await wire.head()?.contains(" 200 ") == true)
        try await wire.startTLS(fixture.clientTLS, name: nil)
        try await wire.send(fixture.request("/", host: "127.0.0.1"))
        return try await wire.response()
      }
      #expect(answer?.status == 200)
    }
  }

  // MARK: Resolution

  @Test func answersOfTheNameServerAreJudged() async throws {
    let server = try await NameServer(
      NameServer.Zone(answers: [
        "good.names.test": [[.address([127, 0, 0, 1])]],
        "alias.names.test": [[.alias("good.elsewhere.test"), .address([127, 0, 0, 1])]],
        "private.names.test": [[.address([10, 0, 0, 7])]],
        "metadata.names.test": [[.address([169, 254, 169, 254])]],
        "mixed.names.test": [[.address([127, 0, 0, 1]), .address([10, 0, 0, 7])]],
        "mixed6.names.test": [[.address([127, 0, 0, 1]), .address([UInt8](repeating: 0, count: 15) + [1])]],
        "empty.names.test": [[]],
      ]))
    var options = GatewayFixture.Options()
    options.certificate = "good.names.test"
    options.nameServers = [.init(address: .v4(0x7f00_0001), port: server.port)]
    try await GatewayFixture.run(options) { fixture, upstream in
      let rows: [(String, Int, String?)] = [
        ("good", 200, nil), ("private", 403, "address_not_allowed"), ("metadata", 403, "address_not_allowed"),
        ("mixed", 403, "address_not_allowed"), ("mixed6", 403, "address_not_allowed"),
        ("empty", 502, "name_not_resolved"), ("missing", 502, "name_not_resolved"),
        // The alias is followed, and then the certificate is not for that name.
        ("alias", 502, "upstream_certificate_invalid"),
      ]
      for (name, status, reason) in rows {
        let host = "\(name).names.test"
        let answer = try await fixture.tunnel(host) { wire in
          try await wire.send(fixture.request("/", host: host))
          return try await wire.response()
        }
        #expect(answer?.status == status, "\(name)")
        #expect(answer?.reason == reason, "\(name)")
      }
      #expect(upstream.requests.count == 1)
    }
    await server.stop()
  }

  @Test func aRebindingNameNeverReachesTheSecondAddress() async throws {
    // The first answer is fine, all later ones point into the machine.
    let server = try await NameServer(
      NameServer.Zone(answers: ["rebind.names.test": [[.address([127, 0, 0, 1])], [.address([10, 1, 1, 1])]]], ttl: 0))
    var options = GatewayFixture.Options()
    options.certificate = "rebind.names.test"
    options.nameServers = [.init(address: .v4(0x7f00_0001), port: server.port)]
    try await GatewayFixture.run(options) { fixture, upstream in
      for _ in 0..<3 {
        let answer = try await fixture.tunnel("rebind.names.test") { wire in
          try await wire.send(fixture.request("/", host: "rebind.names.test"))
          return try await wire.response()
        }
        // Either the checked address again, or a refusal: never anything else.
        #expect(answer?.status == 200 || answer?.reason == "address_not_allowed")
      }
    }
    await server.stop()
  }

  // MARK: Certificates

  @Test func certificatesAreMadeForAllowedNamesOnly() async throws {
    var options = GatewayFixture.Options()
    options.limits.leafCapacity = 8
    try await GatewayFixture.run(options) { fixture, upstream in
      for number in 0..<20 {
        _ = try await fixture.client { wire in
          try await wire.send(fixture.connect("n\(number).evil.test"))
          return try await wire.response()
        }
      }
      #expect(await fixture.gateway.statistics().mintedCertificates == 0)
      for number in 0..<30 {
        try await fixture.tunnel("n\(number).names.test") { wire in
          // Not resolvable, but allowed by name: the refusal inside shows that the handshake was done.
          try await wire.send(fixture.request("/", host: "n\(number).names.test"))
          #expect(try await wire.response()?.status == 502)
        }
      }
      #expect(await fixture.gateway.statistics().mintedCertificates == 30)
      #expect(fixture.gateway.heldCertificates <= 8)
    }
  }
}

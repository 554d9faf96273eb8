import Testing

@testable import PalanaPolicy

@Suite struct AuthorityTests {
  @Test(arguments: [
    ("example.com:443", "example.com:443"), ("Example.COM.:8443", "example.com:8443"), ("1.2.3.4:1", "1.2.3.4:1"),
    ("[::1]:65535", "[::1]:65535"), ("[2001:DB8::1]:80", "[2001:db8::1]:80"),
  ])
  func connectTargets(text: String, expected: String) throws {
    let authority = try Authority.parse(connectTarget: text)
    #expect(authority.description == expected)
    #expect(try Authority.parse(connectTarget: authority.description) == authority)
    #expect(try Authority.parse(hostHeader: text, defaultPort: 9) == authority)
  }

  @Test(arguments: [
    ("example.com", "example.com:443"), ("example.com.", "example.com:443"), ("[::1]", "[::1]:443"),
    ("1.2.3.4", "1.2.3.4:443"),
  ])
  func hostFieldsMayLackAPort(text: String, expected: String) throws {
    #expect(try Authority.parse(hostHeader: text, defaultPort: 443).description == expected)
    let error = #expect(throws: CanonicalizationError.self) { try Authority.parse(connectTarget: text) }
    #expect(error?.problem == .portMissing)
  }

  @Test(
    arguments: [
      ("", .empty), (":443", .empty), ("a.com:", .portMalformed), ("a.com:0", .portMalformed),
      ("a.com:00443", .portMalformed),
      ("a.com:0443", .portMalformed), ("a.com:65536", .portMalformed), ("a.com:99999", .portMalformed),
      ("a.com:100000", .portMalformed),
      ("a.com:+443", .portMalformed), ("a.com:-1", .portMalformed), ("a.com: 443", .portMalformed),
      ("a.com:443 ", .portMalformed),
      ("a.com:44a", .portMalformed), ("a.com:443:443", .portMalformed), ("a.com:４４３", .portMalformed),
      ("a.com:0x1bb", .portMalformed),
      ("::1:443", .empty), ("[::1]443", .brackets), ("[::1", .brackets), ("[::1]:", .portMalformed),
      ("user:pass@a.com:443", .portMalformed),
      ("user@a.com:443", .userInformation), ("a.com:443/", .portMalformed), ("https://a.com:443", .portMalformed),
      ("a.com\r\n:443", .control), ("127.1:443", .addressSpelling),
      (String(repeating: "a", count: 100_000) + ":443", .tooLong),
    ] as [(String, CanonicalizationError.Problem)])
  func refused(text: String, problem: CanonicalizationError.Problem) {
    let error = #expect(throws: CanonicalizationError.self) { try Authority.parse(connectTarget: text) }
    #expect(error?.problem == problem)
    #expect(throws: CanonicalizationError.self) { try Authority.parse(hostHeader: text, defaultPort: 443) }
  }

  @Test func fuzz() {
    var random = SeededGenerator(2)
    let pieces = [
      "a", "A.b", ".", ":", "443", "0", "65535", "65536", "[", "]", "::1", "@", " ", "\r", "%", "é", "1.2.3.4", "-",
    ]
    for _ in 0..<40_000 {
      let text = random.text(pieces, length: 7)
      guard let authority = try? Authority.parse(hostHeader: text, defaultPort: 443) else { continue }
      #expect((try? Authority.parse(connectTarget: authority.description)) == authority)
      #expect(authority.port > 0)
    }
  }
}

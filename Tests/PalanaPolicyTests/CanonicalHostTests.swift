import PalanaCore
import Testing

@testable import PalanaPolicy

private let long63 = String(repeating: "a", count: 63)
private let long253 = "\(long63).\(long63).\(long63).\(String(repeating: "b", count: 61))"

@Suite struct CanonicalHostTests {
  @Test(arguments: [
    ("api.github.com", "api.github.com"), ("API.GitHub.COM", "api.github.com"), ("example.com.", "example.com"),
    ("EXAMPLE.com.", "example.com"), ("localhost", "localhost"), ("a", "a"), ("a-b.c", "a-b.c"), ("a--b.c", "a--b.c"),
    ("_dmarc.example.com", "_dmarc.example.com"), ("r3---sn-abc.googlevideo.com", "r3---sn-abc.googlevideo.com"),
    ("xn--bcher-kva.example", "xn--bcher-kva.example"), ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
    ("1.example", "1.example"), ("123.0x1f.example", "123.0x1f.example"), ("4chan.org", "4chan.org"),
    ("a.0xg", "a.0xg"),
    ("a.1b", "a.1b"), ("a.0y1", "a.0y1"), ("a.x1", "a.x1"), ("a.00x1", "a.00x1"), (long253, long253),
    (long253 + ".", long253),
    ("192.0.2.1", "192.0.2.1"), ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"), ("[::1]", "::1"),
    ("::1", "::1"),
    ("[2001:DB8:0:0::1]", "2001:db8::1"), ("2001:db8::1", "2001:db8::1"), ("[::ffff:127.0.0.1]", "::ffff:7f00:1"),
    ("[0:0:0:0:0:0:0:0]", "::"), ("[fe80::1]", "fe80::1"), ("64:ff9b::1.2.3.4", "64:ff9b::102:304"),
  ])
  func canonical(text: String, expected: String) throws {
    let host = try CanonicalHost.parse(text)
    #expect(host.description == expected)
    #expect(try CanonicalHost.parse(host.description) == host, "printing and parsing again changes nothing")
    let isAddress = expected.contains(":") || expected.split(separator: ".").allSatisfy { UInt8($0) != nil }
    #expect((host.address != nil) == isAddress)
  }

  @Test(
    arguments: [
      ("", .empty), (".", .emptyLabel), ("..", .emptyLabel), (".a", .emptyLabel), ("a..b", .emptyLabel),
      ("a..", .emptyLabel),
      (long253 + "c", .tooLong), (long253 + "..", .tooLong), (long63 + "a.com", .labelTooLong), ("-a.com", .hyphen),
      ("a-.com", .hyphen), ("a.com-", .hyphen), ("a.-b", .hyphen), ("xn--.com", .hyphen), ("bücher.example", .notASCII),
      ("аpple.com", .notASCII), ("a。b", .notASCII), ("a b.com", .control), (" a.com", .control), ("a.com ", .control),
      ("a.com\n", .control), ("a\u{0}.com", .control), ("a\t.com", .control), ("a\u{7f}.com", .control),
      ("user@host.com", .userInformation), ("a/b", .character), ("a?b", .character), ("a#b", .character),
      ("a%2eb", .character),
      ("a\\b", .character), ("a,b", .character), ("*.a.com", .character), ("a!b", .character), ("a]b", .character),
      ("a[::1]", .character), ("http://a.com", .addressSpelling), ("a.com:443", .addressSpelling),
      // What old resolvers read as 127.0.0.1, and their relatives.
      ("127.1", .addressSpelling), ("127.0.1", .addressSpelling), ("2130706433", .addressSpelling),
      ("0x7f000001", .addressSpelling),
      ("0x7f.1", .addressSpelling), ("0X7F.0.0.1", .addressSpelling), ("017700000001", .addressSpelling),
      ("0177.0.0.1", .addressSpelling),
      ("127.0.0.01", .addressSpelling), ("127.0.0.256", .addressSpelling), ("127.0.0.1.", .addressSpelling),
      ("1.2.3.4.5", .addressSpelling),
      ("a.0x", .addressSpelling), ("a.0x1F", .addressSpelling), ("foo.1", .addressSpelling),
      ("foo.0X1.", .addressSpelling),
      ("1", .addressSpelling), ("0", .addressSpelling), ("99999999999999999999", .addressSpelling),
      ("1.2.3.0x4", .addressSpelling),
      ("[127.0.0.1]", .addressSpelling), ("[::1", .brackets), ("[]", .addressSpelling), ("[::1]x", .brackets),
      ("[a.com]", .addressSpelling),
      ("fe80::1%eth0", .zone), ("[fe80::1%25eth0]", .zone), (":::", .addressSpelling), ("1::2::3", .addressSpelling),
      ("::-0", .addressSpelling), ("::+1", .addressSpelling), ("12345::", .addressSpelling),
      ("::1.2.3", .addressSpelling), ("::g", .addressSpelling),
      ("1:2:3:4:5:6:7:8:9", .addressSpelling), ("[[::1]]", .addressSpelling),
    ] as [(String, CanonicalizationError.Problem)])
  func refused(text: String, problem: CanonicalizationError.Problem) {
    let error = #expect(throws: CanonicalizationError.self) { try CanonicalHost.parse(text) }
    #expect(error?.problem == problem)
  }

  /// Whatever comes in: no trap, and what comes out is stable, bounded and made of the few characters that hosts have.
  @Test func fuzz() throws {
    var random = SeededGenerator(1)
    let pieces = [
      "a", "B", "z", "0", "1", "9", "127", "0x", "0X7f", "255", "256", ".", "..", "-", "_", ":", "::", "[", "]", "%",
      "@", "/", "xn--",
      "ffff", "1.2.3.4", " ", "\n", "\u{0}", "é", "。", "com", long63, "*",
    ]
    var accepted = 0
    for _ in 0..<60_000 {
      let text = random.text(pieces, length: 9)
      guard let host = try? CanonicalHost.parse(text) else { continue }
      accepted += 1
      #expect(try CanonicalHost.parse(host.description) == host)
      #expect(host.description.utf8.count <= 253)
      let plain = host.description.utf8.allSatisfy { byte in
        (97...122).contains(byte) || (48...57).contains(byte) || ".-_:".utf8.contains(byte)
      }
      #expect(plain)
      if case .name = host.form {
        #expect(IPAddress(host.description) == nil)
        #expect(!host.description.hasSuffix("."))
        #expect(try CanonicalHost.parse(text.uppercased()) == host)
      }
    }
    #expect(accepted > 1000)
  }

  @Test func errorsNeverRepeatTheInput() {
    for problem in CanonicalizationError.Problem.allCases {
      #expect(!CanonicalizationError(problem).description.isEmpty)
    }
  }
}

import PalanaCore
import Testing

@testable import PalanaPolicy

@Suite struct HostPatternTests {
  @Test(arguments: [
    ("api.github.com", "api.github.com", true), ("API.github.com.", "api.github.com", true),
    ("api.github.com", "github.com", false),
    ("api.github.com", "xapi.github.com", false), ("api.github.com", "api.github.com.evil.test", false),
    ("*.example.com", "a.example.com", true), ("*.EXAMPLE.com", "a.example.com", true),
    ("*.example.com", "example.com", false),
    ("*.example.com", "a.b.example.com", false), ("*.example.com", "aexample.com", false),
    ("*.example.com", "a.example.com.evil.test", false),
    ("*.example.com", "_x.example.com", true), ("**.example.com", "a.example.com", true),
    ("**.example.com", "a.b.c.example.com", true),
    ("**.example.com", "example.com", false), ("**.example.com", "evilexample.com", false),
    ("**.example.com", "a.example.org", false),
    ("1.2.3.4", "1.2.3.4", true), ("1.2.3.4", "1.2.3.5", false), ("::1", "::1", true),
    ("[2001:DB8::1]", "2001:db8::1", true),
    ("*.a.test", "1.2.3.4", false), ("**.a.test", "::1", false), ("localhost", "localhost", true),
    ("**.b.co.uk", "a.b.co.uk", true), ("*.my-org.github.io", "x.my-org.github.io", true),
  ])
  func matches(pattern: String, host: String, expected: Bool) throws {
    let compiled = try HostPattern.parse(pattern)
    #expect(compiled.matches(try CanonicalHost.parse(host)) == expected)
    #expect(try HostPattern.parse(compiled.description) == compiled)
  }

  @Test(arguments: [
    "", "*", "**", "***", "*.", "**.", "*.*", "**.**", "*.*.example.com", "**.*.example.com", "a.*.example.com",
    "a*.example.com",
    "*a.example.com", "***.example.com", "example.*", "api.*", "**example.com", "*example.com", "*.com", "**.com",
    "*.test", "*.localhost",
    "*.internal", "*.co.uk", "**.co.uk", "*.com.sg", "**.com.au", "*.github.io", "**.githubusercontent.com",
    "*.herokuapp.com",
    "**.amazonaws.com", "*.eu-west-1.compute.amazonaws.com", "*.vercel.app", "**.workers.dev", "*.ngrok-free.app",
    "**.nip.io", "*.sslip.io",
    "*.ac.jp", "*.x.ck", "*.CO.uk.", "*.1.2.3.4", "**.::1", "*.127.1", "*.[::1]", "*..com", "*.bücher.example",
    "*.exa mple.com",
    "https://example.com", "example.com:443", "example.com/", "127.1", "0x7f.1", "a b", "bücher.example",
    "*.example.com:443",
  ])
  func refusedWhenWritten(pattern: String) {
    let error = #expect(throws: PalanaError.self) { try HostPattern.parse(pattern) }
    #expect(error?.code == .invalid)
  }

  @Test func messagesHoldNoControlCharacters() {
    let error = #expect(throws: PalanaError.self) {
      try HostPattern.parse("*.a\n\u{1b}[31m" + String(repeating: "x", count: 500))
    }
    let message = error?.message ?? "\n"
    #expect(!message.unicodeScalars.contains { $0.value < 0x20 })
    #expect(message.count < 300)
  }

  @Test func suffixes() {
    for name in [
      "com", "co.uk", "com.sg", "org.nz", "gov.br", "github.io", "pages.dev", "uk.com", "x.kh", "kobe.jp", "a.kobe.jp",
    ]
    where name != "kobe.jp" {
      #expect(PublicSuffixes.contains(name), "\(name)")
    }
    for name in [
      "example.com", "github.com", "example.co.uk", "foo.github.io", "sg.example", "huggingface.co", "anthropic.com",
    ] {
      #expect(!PublicSuffixes.contains(name), "\(name)")
    }
  }
}

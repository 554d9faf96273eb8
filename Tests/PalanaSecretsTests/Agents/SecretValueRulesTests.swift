import PalanaAPI
import PalanaCore
import PalanaSecrets
import Testing

@Suite struct SecretValueRulesTests {
  @Test(arguments: [
    ("value", SecretBindingSpec.Access.proxyOnly, true), ("va lue\twith", .proxyOnly, true), ("", .proxyOnly, false),
    ("", .agentReadable, false), ("a\nb", .agentReadable, true), ("a\r\nb\n", .agentReadable, true),
    ("a\nb", .proxyOnly, false),
    ("a\r", .proxyOnly, false), ("a\u{0}b", .proxyOnly, false), ("a\u{0}b", .agentReadable, false),
    ("a\u{7f}b", .proxyOnly, false), ("a\u{1b}[0m", .proxyOnly, false), (" a", .proxyOnly, false),
    ("a ", .proxyOnly, false),
    (" a ", .agentReadable, true), ("ключ", .proxyOnly, true),
    (String(repeating: "x", count: 65_536), .proxyOnly, true),
    (String(repeating: "x", count: 65_537), .proxyOnly, false),
    (String(repeating: "x", count: 65_537), .agentReadable, false),
  ])
  func judges(value: String, access: SecretBindingSpec.Access, isFine: Bool) {
    let error = thrown { try SecretValueRules.check(["token": Redacted(value)], access: access) }
    #expect((error == nil) == isFine)
    if let error, value.count > 3 { #expect(!error.description.contains(value)) }
  }

  @Test func boundsTheWhole() {
    let many = Dictionary(uniqueKeysWithValues: (0..<33).map { ("k\($0)", Redacted("v")) })
    #expect(thrown { try SecretValueRules.check(many, access: .proxyOnly) }?.code == .invalid)
    let large = Dictionary(
      uniqueKeysWithValues: (0..<5).map { ("k\($0)", Redacted(String(repeating: "x", count: 60_000))) })
    #expect(thrown { try SecretValueRules.check(large, access: .proxyOnly) }?.code == .invalid)
    #expect(thrown { try SecretValueRules.check([:], access: .proxyOnly) }?.code == .invalid)
  }
}

import PalanaAPI
import PalanaCore
import PalanaSecrets
import Testing

@Suite struct PlaceholderNamingTests {
  @Test(arguments: [
    ("GITHUB_PAT", ["token"], [("token", "TOKEN_GITHUB_PAT", "GITHUB_PAT")]),
    ("GRABGPT_API_KEY", ["value"], [("value", "TOKEN_GRABGPT_API_KEY", "GRABGPT_API_KEY")]),
    (
      "AWS", ["id", "token"],
      [("id", "TOKEN_AWS_ID", "AWS_ID"), ("token", "TOKEN_AWS", "AWS")]
    ),
    ("AWS", ["secret", "id"], [("id", "TOKEN_AWS_ID", "AWS_ID"), ("secret", "TOKEN_AWS_SECRET", "AWS_SECRET")]),
    ("my_key", ["token"], [("token", "TOKEN_MY_KEY", "my_key")]),
  ])
  func followsTheContract(secret: String, keys: [String], expected: [(String, String, String)]) throws {
    let named = try PlaceholderNaming.keys(ofSecret: secret, keys: keys, access: .proxyOnly)
    #expect(named.map(\.key) == expected.map { $0.0 })
    #expect(named.map(\.placeholder) == expected.map { $0.1 })
    #expect(named.map(\.variable) == expected.map { $0.2 })
  }

  @Test func agentReadableKeysHaveNoPlaceholder() throws {
    let named = try PlaceholderNaming.keys(ofSecret: "TLS", keys: ["tls.crt", "tls.key"], access: .agentReadable)
    #expect(named == [SecretKey(key: "tls.crt"), SecretKey(key: "tls.key")])
  }

  @Test func aChosenPlaceholderReplacesTheStandardOne() throws {
    let named = try PlaceholderNaming.keys(
      ofSecret: "GITHUB_PAT", keys: ["token"], access: .proxyOnly, custom: "ghp_PALANA0PLACEHOLDER")
    #expect(named.first?.placeholder == "ghp_PALANA0PLACEHOLDER")
    #expect(named.first?.variable == "GITHUB_PAT")
  }

  @Test(arguments: [
    ("1BAD", ["token"], nil as String?), ("", ["token"], nil), ("A-B", ["token"], nil), ("A/B", ["token"], nil),
    ("A", [], nil), ("A", ["a", "A"], nil), ("A", ["token", "token"], nil), ("A", ["a b"], nil), ("A", ["a.b"], nil),
    ("A", ["../x"], nil), ("A", ["one", "two"], "ghp_PALANA0PLACEHOLDER"), ("A", ["token"], "password"),
  ])
  func refusesWhatCannotBeNamed(secret: String, keys: [String], custom: String?) {
    let error = thrown {
      _ = try PlaceholderNaming.keys(ofSecret: secret, keys: keys, access: .proxyOnly, custom: custom)
    }
    #expect(error?.code == .invalid || error?.code == .conflict)
  }

  @Test(arguments: [".", "..", "-rf", "a/b", "a\u{0}b", "", "9a", String(repeating: "a", count: 65)])
  func refusesFileNamesThatLeadElsewhere(key: String) {
    #expect(thrown { try SecretNames.check(key: key, isFile: true) }?.code == .invalid)
  }

  @Test func aPlaceholderBelongsToOneSecret() {
    // `A_B` and `A` with the key `B` would both be TOKEN_A_B.
    let error = thrown {
      _ = try PlaceholderNaming.keys(
        ofSecret: "A", keys: ["b", "c"], access: .proxyOnly, taken: ["TOKEN_A_B"])
    }
    #expect(error?.code == .conflict)
  }

  @Test(arguments: [
    "ghp_PALANA0PLACEHOLDER", "sk-ant-api03-PALANA", "xoxb-000000-PALANA", "sk-proj-Palana_placeholder",
    "TOKEN_GITHUB_PAT",
  ])
  func acceptsShapesThatProgramsCheckFor(text: String) { #expect(thrown { try PlaceholderRules.check(text) } == nil) }

  @Test(arguments: [
    "short_A1", "authorization", "api.github.com", "hello world 1A_", "aaaaaaaaaaaa_1", "Bearer1234é", "000000000000_",
    "PLACEHOLDERTEXT", "line\nbreak_A1x", "a\"quote\"_A1x", String(repeating: "aB1_", count: 33), "application-json",
  ])
  func refusesPlainText(text: String) { #expect(thrown { try PlaceholderRules.check(text) }?.code == .invalid) }
}

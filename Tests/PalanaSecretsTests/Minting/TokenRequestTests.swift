import CryptoExtras
import FoundationEssentials
import PalanaAPI
import PalanaCore
import PalanaPolicy
import Testing

@testable import PalanaSecrets

/// What is sent to token endpoints, and what may be stored for it.
@Suite struct TokenRequestTests {
  private func redacted(_ values: [String: String]) -> [String: Redacted<String>] { values.mapValues { Redacted($0) } }

  private func oauth(_ more: [String: String] = [:]) -> [String: Redacted<String>] {
    redacted(["token_url": "https://auth.test/token", "client_id": "id", "client_secret": "s"].merging(more) { $1 })
  }

  // MARK: OAuth

  @Test func clientCredentialsInTheHeader() throws {
    let request = try OAuthClient(oauth(["client_id": "a b", "client_secret": "x:y&ü", "scope": "read write", "audience": "https://api"]))
      .request()
    let encoded = Data("a%20b:x%3Ay%26%C3%BC".utf8).base64EncodedString()
    #expect(request.authorization?.reveal() == "Basic \(encoded)")
    #expect(request.body.reveal() == "grant_type=client_credentials&scope=read%20write&audience=https%3A%2F%2Fapi")
    #expect(request.endpoint.authority.description == "auth.test:443" && request.endpoint.target == "/token")
    #expect(request.contentType == "application/x-www-form-urlencoded")
  }

  @Test func clientCredentialsInTheBody() throws {
    let request = try OAuthClient(oauth(["auth_style": "body", "client_secret": "a=b"])).request()
    #expect(request.authorization == nil)
    #expect(request.body.reveal() == "grant_type=client_credentials&client_id=id&client_secret=a%3Db")
  }

  @Test(arguments: [
    ["token_url": "http://auth.test/token"], ["token_url": "https://u:p@auth.test/token"], ["token_url": "auth.test/token"],
    ["token_url": "https://auth.test/a/../b"], ["token_url": "https://auth.test/#x"], ["token_url": ""],
    ["token_url": "https://auth.test:0/"], ["token_url": "file:///etc/passwd"], ["client_id": ""], ["client_secret": ""],
    ["auth_style": "none"], ["scope": ""], ["unknown": "x"],
  ])
  func wrongOAuthParameters(more: [String: String]) {
    let error = thrown { try MintRules.check(oauth(more), of: .oauthClient) }
    #expect(error?.code == .invalid)
    #expect(error?.message.contains(more.keys.first ?? "-") == true, "\(error?.message ?? "")")
  }

  // MARK: GitHub Apps

  private static let key: String = {
    (try? _RSA.Signing.PrivateKey(keySize: .bits2048).pemRepresentation) ?? ""
  }()

  private func app(_ more: [String: String] = [:]) -> [String: Redacted<String>] {
    redacted(["app_id": "4711", "installation_id": "815", "private_key": Self.key].merging(more) { $1 })
  }

  /// Checked with the verifying half of the key, by other code than what signs.
  @Test func theAssertionIsSignedByTheKey() async throws {
    let now = Timestamp(seconds: 1_800_000_000)
    let request = try await GitHubApp(app()).request(now: now)
    #expect(request.endpoint.target == "/app/installations/815/access_tokens")
    #expect(request.endpoint.authority.description == "api.github.com:443")
    let token = try #require(request.authorization?.reveal().split(separator: " ").last)
    let parts = token.split(separator: ".").map(String.init)
    try #require(parts.count == 3)
    #expect(try JSONValue(parsing: decoded(parts[0])) == ["alg": "RS256", "typ": "JWT"])
    #expect(try JSONValue(parsing: decoded(parts[1])) == ["iat": 1_799_999_940, "exp": 1_800_000_540, "iss": "4711"])
    let key = try _RSA.Signing.PrivateKey(pemRepresentation: Self.key).publicKey
    let signature = _RSA.Signing.RSASignature(rawRepresentation: Data(decoded(parts[2])))
    #expect(key.isValidSignature(signature, for: Data("\(parts[0]).\(parts[1])".utf8), padding: .insecurePKCS1v1_5))
  }

  private func decoded(_ part: String) -> [UInt8] {
    let text = part.replacing("-", with: "+").replacing("_", with: "/")
    return Array(Data(base64Encoded: text + String(repeating: "=", count: (4 - text.count % 4) % 4)) ?? Data())
  }

  @Test func anotherBaseAndFewerRights() async throws {
    let values = app([
      "base_url": "https://ghe.test:8443/api/v3/", "repositories": "one,two", "permissions": "contents=read,issues=write",
    ])
    let request = try await GitHubApp(values).request(now: Timestamp(seconds: 1))
    #expect(request.endpoint.authority.description == "ghe.test:8443")
    #expect(request.endpoint.target == "/api/v3/app/installations/815/access_tokens")
    #expect(
      try JSONValue(parsing: Array(request.body.reveal().utf8))
        == ["repositories": ["one", "two"], "permissions": ["contents": "read", "issues": "write"]])
  }

  @Test func answersOfGitHub() throws {
    let app = try GitHubApp(app())
    let now = try #require(Timestamp(parsing: "2026-01-01T00:00:00Z"))
    func token(_ status: Int, _ body: String) throws -> MintedToken {
      try app.token(from: TokenAnswer(status: status, body: Redacted(Array(body.utf8))), askedAt: now)
    }
    let good = try token(201, #"{"token":"ghs_x","expires_at":"2026-01-01T00:10:00Z","permissions":{}}"#)
    #expect(good.value.reveal() == "ghs_x" && good.life == .seconds(600))
    #expect(try token(201, #"{"token":"ghs_x","expires_at":"2036-01-01T00:00:00Z"}"#).life == .seconds(3600))
    for (status, body) in [
      (201, #"{"token":"ghs_x"}"#), (201, #"{"token":"ghs_x","expires_at":"tomorrow"}"#),
      (201, #"{"token":"ghs_x","expires_at":"2025-12-31T23:59:59Z"}"#), (404, "{}"), (201, ""),
    ] {
      #expect(throws: PalanaError.self) { try token(status, body) }
    }
  }

  @Test(arguments: [
    ["app_id": "x y"], ["app_id": ""], ["installation_id": "815/../1"], ["installation_id": "a"], ["private_key": "secret-text"],
    ["private_key": "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n"],
    ["base_url": "http://ghe.test/"], ["base_url": "https://ghe.test/?a=b#c"], ["repositories": "a/b"], ["repositories": ""],
    ["permissions": "contents"], ["permissions": "contents=all"], ["unknown": "x"],
  ])
  func wrongAppParameters(more: [String: String]) {
    let error = thrown { try MintRules.check(app(more), of: .githubApp) }
    #expect(error?.code == .invalid)
    #expect(error?.message.contains(more.keys.first ?? "-") == true, "\(error?.message ?? "")")
    #expect(error?.description.contains("secret-text") == false)
  }

  @Test func weakKeysAreRefused() throws {
    let weak = try _RSA.Signing.PrivateKey(unsafeKeySize: .init(bitCount: 1024)).pemRepresentation
    #expect(thrown { try MintRules.check(app(["private_key": weak]), of: .githubApp) }?.code == .invalid)
  }

  @Test func someParametersAreReplaced() throws {
    try MintRules.check(replacing: redacted(["client_secret": "new"]), of: .oauthClient)
    try MintRules.check(replacing: redacted(["private_key": Self.key]), of: .githubApp)
    try MintRules.check(replacing: redacted(["installation_id": "1"]), of: .githubApp)
    for (values, kind) in [
      (["client_secret": ""], SecretMinting.oauthClient), (["token_url": "http://a.test/"], .oauthClient),
      (["private_key": "x"], .githubApp), (["installation_id": "x"], .githubApp), (["token": "x"], .githubApp), ([:], .githubApp),
    ] {
      #expect(thrown { try MintRules.check(replacing: redacted(values), of: kind) }?.code == .invalid, "\(values.keys)")
    }
  }

  @Test func everyParameterThatIsNeededIsNamed() {
    for name in ["token_url", "client_id", "client_secret"] {
      var values = oauth()
      values[name] = nil
      #expect(thrown { try MintRules.check(values, of: .oauthClient) }?.message.contains(name) == true)
    }
  }

  // MARK: Bindings

  @Test func theOnlyKeyOfAMintedSecretIsItsToken() throws {
    let spec = try SecretBindingSpec.draft(
      owner: Names.owner(), agent: Names.agent(), secret: "GH_APP", access: .proxyOnly, keys: ["app_id", "private_key"],
      hosts: ["api.github.com"], type: .githubApp)
    #expect(spec.keys.map(\.key) == ["token"] && spec.keys.first?.placeholder == "TOKEN_GH_APP" && spec.problems().isEmpty)
    let binding = try #require(try PlaceholderBinding.bindings(from: spec).first)
    #expect(binding.ref.minting == .githubApp)
    #expect(throws: PalanaError.self) {
      try SecretBindingSpec.draft(
        owner: Names.owner(), agent: Names.agent(), secret: "X", access: .agentReadable, keys: ["a"], type: .githubApp)
    }
  }
}

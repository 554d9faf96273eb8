import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaPolicy
import PalanaSecrets
import Testing

@testable import PalanaEgress

/// Tokens that an endpoint gives in answer to a secret never reach the agent: it gets placeholders that work like any other.
@Suite(.timeLimit(.minutes(10)))
struct TokenTests {
  private static let access = "ya29.real-access-token-4f81c2"
  private static let refresh = "1//real-refresh-token-77ab"
  private static let claims = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9"
  private static let signature = "c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
  private static let credential = "authorization: Bearer \(GatewayFixture.placeholder)"

  private static func answer(life: Int = 3600) -> String {
    """
    {"token_type": "Bearer", "access_token": "\(access)", "expires_in": \(life), "scope": "a b",
     "refresh_token": "\(refresh)", "id_token": "\(claims).\(signature)", "more": [{"access_token": "nested-token-5521-xyz"}], "n": 1.10}
    """
  }

  /// Answers POST with `body`, everything else with what it got.
  private static func script(_ body: String, type: String = "application/json; charset=utf-8") -> Upstream.Script {
    { wire, upstream in
      while let head = try await wire.head() {
        let length = Response(head)["content-length"].flatMap { Int($0) } ?? 0
        upstream.note(head + (try await wire.text(length) ?? ""))
        let text = head.hasPrefix("POST") ? body : head
        try await wire.send("HTTP/1.1 200 OK\r\ncontent-type: \(type)\r\ncontent-length: \(text.utf8.count)\r\n\r\n\(text)")
      }
    }
  }

  private static func run(
    _ script: @escaping Upstream.Script, mints: Bool = true,
    _ body: @Sendable (GatewayFixture, Upstream) async throws -> Void
  ) async throws {
    var options = GatewayFixture.Options()
    options.script = script
    try await GatewayFixture.run(options) { fixture, upstream in
      var binding = try fixture.binding()
      if mints { binding.tokenDestinations = binding.destinations }
      var options = GatewayFixture.Options()
      options.bindings = [binding]
      await fixture.gateway.apply(try fixture.snapshot(2, options: options))
      try await body(fixture, upstream)
    }
  }

  private static func signIn(_ fixture: GatewayFixture, _ wire: inout Wire) async throws -> Response {
    try await wire.send(fixture.request("/token", method: "POST", credential, "content-length: 0"))
    return try #require(try await wire.response())
  }

  @Test func tokensBecomePlaceholdersThatWork() async throws {
    try await Self.run(Self.script(Self.answer())) { fixture, upstream in
      try await fixture.tunnel { wire in
        let answer = try await Self.signIn(fixture, &wire)
        for real in [Self.access, Self.refresh, Self.signature, "nested-token-5521-xyz"] {
          #expect(!answer.body.contains(real))
        }
        #expect(answer.body.contains("\"scope\":\"a b\"") && answer.body.contains("\"n\":1.10"))
        #expect(answer["content-length"] == nil && answer["transfer-encoding"] == "chunked")
        let access = try #require(answer.member("access_token"))
        let identity = try #require(answer.member("id_token"))
        #expect(access.hasPrefix("TOKEN_MINTED_") && identity.hasPrefix(Self.claims + ".TOKEN_MINTED_"))
        for (placeholder, real) in [(access, Self.access), (identity, "\(Self.claims).\(Self.signature)")] {
          try await wire.send(fixture.request("/api", "authorization: Bearer \(placeholder)"))
          let echo = try #require(try await wire.response())
          #expect(upstream.requests.last?.contains("authorization: Bearer \(real)\r\n") == true)
          #expect(echo.status == 200 && !echo.body.contains(Self.access) && !echo.body.contains(Self.signature))
        }
        let form = "grant_type=refresh_token&refresh_token=\(try #require(answer.member("refresh_token")))"
        try await wire.send(
          fixture.request(
            "/token", method: "POST", Self.credential, "content-type: application/x-www-form-urlencoded",
            "content-length: \(form.utf8.count)") + form)
        #expect(try await wire.response()?.status == 200)
        #expect(upstream.requests.last?.hasSuffix("grant_type=refresh_token&refresh_token=1%2F%2Freal-refresh-token-77ab") == true)
        // The real token is a secret like any other.
        try await wire.send(fixture.request("/api", "x: \(Self.access)"))
        #expect(try await wire.response()?.reason == "secret_leak")
      }
    }
  }

  @Test func elsewhereAndForOthersTheyAreWorthNothing() async throws {
    try await Self.run(Self.script(Self.answer())) { fixture, upstream in
      let access = try await fixture.tunnel { wire in
        let answer = try await Self.signIn(fixture, &wire)
        for field in ["x-token: ", "cookie: t="] {
          try await wire.send(fixture.request("/api", field + (answer.member("access_token") ?? "")))
          #expect(try await wire.response()?.reason == "secret_not_bound")
        }
        // A refresh token is for the endpoint that gave it; an access token is none.
        try await wire.send(fixture.request("/api", "authorization: Bearer TOKEN_MINTED_0123456789ABCDEF0123456789ABCDEF"))
        #expect(try await wire.response()?.reason == "secret_not_bound")
        return answer.member("access_token") ?? ""
      }
      try await fixture.tunnel("other.test") { wire in
        try await wire.send(fixture.request("/api", host: "other.test", "authorization: Bearer \(access)"))
        #expect(try await wire.response()?.reason == "secret_not_bound")
      }
      try await fixture.tunnel(from: "127.0.1.2", token: GatewayFixture.tokenB) { wire in
        try await wire.send(fixture.request("/api", "authorization: Bearer \(access)"))
        #expect(try await wire.response()?.reason == "secret_not_bound")
      }
      // With the binding the tokens are gone.
      var options = GatewayFixture.Options()
      options.bindings = [try fixture.binding()]
      await fixture.gateway.apply(try fixture.snapshot(3, options: options))
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/api", "authorization: Bearer \(access)"))
        #expect(try await wire.response()?.reason == "secret_not_bound")
      }
      #expect(upstream.requests.count == 1)
    }
  }

  @Test func aTokenWhoseTimeIsOverIsNone() async throws {
    try await Self.run(Self.script(Self.answer(life: 0))) { fixture, _ in
      try await fixture.tunnel { wire in
        let answer = try await Self.signIn(fixture, &wire)
        try await wire.send(fixture.request("/api", "authorization: Bearer \(answer.member("access_token") ?? "")"))
        #expect(try await wire.response()?.reason == "secret_not_bound")
      }
    }
  }

  /// Without being asked to, the gateway leaves answers as they are.
  @Test func onlyWhereItIsAskedFor() async throws {
    try await Self.run(Self.script(Self.answer()), mints: false) { fixture, _ in
      try await fixture.tunnel { wire in
        let answer = try await Self.signIn(fixture, &wire)
        #expect(answer.body == Self.answer())
      }
    }
    try await Self.run(Self.script(Self.answer())) { fixture, _ in
      try await fixture.tunnel { wire in
        // Without the secret it is another endpoint's business.
        try await wire.send(fixture.request("/token", method: "POST", "content-length: 0"))
        #expect(try await wire.response()?.body == Self.answer())
      }
    }
  }

  @Test func answersThatCannotBeReadDoNotPass() async throws {
    try await Self.run(Self.script("access_token=\(Self.access)", type: "application/x-www-form-urlencoded")) { fixture, _ in
      try await fixture.tunnel { wire in
        let answer = try await Self.signIn(fixture, &wire)
        #expect(answer.reason == "response_not_readable")
      }
    }
    try await Self.run(Self.script("{\"access_token\": \"\(Self.access)\"")) { fixture, _ in
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/token", method: "POST", Self.credential, "content-length: 0"))
        #expect(try await wire.rest().contains(Self.access) == false)
      }
      #expect(await fixture.sink.events(1).first?.reason == "response_not_readable")
    }
  }

  @Test func tokensOfOneAgentAreBounded() throws {
    let tokens = MintedTokens()
    let owner = try SecretPath(area: .proxySecrets, owner: .init("a@example.com"), agent: .init("a"), secret: "S")
    let place = BoundDestination(host: try HostPattern.parse("a.test"), port: 443)
    var parent = PlaceholderBinding(
      placeholder: "TOKEN_S", secretName: "S", ref: SecretRef(path: owner, key: "k"), destinations: [place], places: [], revision: 1)
    parent.tokenDestinations = [place]
    let id = try GatewayFixture.idA
    for number in 0..<1_000 {
      _ = tokens.mint(.init(kind: .access, value: "value-\(number)", life: .seconds(number)), of: parent, agent: id, from: place)
    }
    #expect(tokens.keep([id]).count == 256)
    #expect(tokens.keep([]).isEmpty)
  }
}

import Foundation
import PalanaAudit
import PalanaCore
import PalanaPolicy
import PalanaSecrets
import Testing

@testable import PalanaEgress
@testable import PalanaEnvoy

/// The real Envoy: names, identity, credentials and events, over raw sockets.
@Suite("Envoy egress: requests", .timeLimit(.minutes(10)), .enabled(if: EnvoyFixture.isInstalled))
struct EnvoyRequestTests {
  @Test func aRequestThroughATunnel() async throws {
    try await EnvoyFixture.run { fixture, upstream in
      let text = fixture.request("/hello?x=1", "user-agent: test", "x-forwarded-for: 9.9.9.9", "x-request-id: mine")
      let answer = try #require(try await fixture.ask(text))
      #expect(answer.status == 200)
      // Fields that name a person, a proxy or a trace do not travel.
      let fields = "host: allowed.test:\(upstream.port)\r\nuser-agent: test\r\n"
      #expect(answer.body == "GET /hello?x=1 HTTP/1.1\r\n\(fields)\r\n")
      let event = try #require(await fixture.sink.events(1).first)
      #expect(event.decision == .allow)
      #expect(event.rule == "agent/allowed.test")
      #expect(event.request?.path == "/hello")
      #expect(event.request?.method == "GET")
      #expect(event.request?.host == "allowed.test")
      #expect(event.response?.status == 200)
      #expect(event.response?.bytes == Int64(answer.body.utf8.count))
      #expect(event.source?.ip.description == "127.0.1.1")
      #expect(event.agent?.name == "a")
    }
  }

  @Test func plainHTTPAndPythonsOldTunnels() async throws {
    var options = EnvoyFixture.Options()
    options.certificate = nil
    try await EnvoyFixture.run(options) { fixture, upstream in
      let plain = try await fixture.client { wire in
        try await wire.send(
          "GET http://allowed.test:\(upstream.port)/plain HTTP/1.1\r\nhost: allowed.test:\(upstream.port)\r\n"
            + "proxy-authorization: \(EnvoyFixture.basic(EnvoyFixture.tokenA))\r\n\r\n")
        return try await wire.response()
      }
      #expect(plain?.body == "GET /plain HTTP/1.1\r\nhost: allowed.test:\(upstream.port)\r\n\r\n")
      let old = try await fixture.client { wire in
        try await wire.send(
          "CONNECT evil.test:443 HTTP/1.0\r\nproxy-authorization: \(EnvoyFixture.basic(EnvoyFixture.tokenA))\r\n\r\n")
        return try await wire.response()
      }
      #expect(old?.status == 403)
      #expect(old?.reason == "host_not_allowed")
    }
  }

  @Test func theCredentialReachesTheUpstreamAndNoEvent() async throws {
    try await EnvoyFixture.run { fixture, upstream in
      let user = Data("user:\(EnvoyFixture.placeholder)".utf8).base64EncodedString()
      _ = try await fixture.ask(fixture.request("/", "authorization: Bearer \(EnvoyFixture.placeholder)"))
      _ = try await fixture.ask(fixture.request("/", "authorization: Basic \(user)"))
      #expect(upstream.requests.count == 2)
      #expect(upstream.requests.first?.contains("authorization: Bearer \(EnvoyFixture.canary)\r\n") == true)
      let real = Data("user:\(EnvoyFixture.canary)".utf8).base64EncodedString()
      #expect(upstream.requests.last?.contains("authorization: Basic \(real)\r\n") == true)
      #expect(await fixture.sink.events(2).allSatisfy { $0.secrets == ["GITHUB_PAT"] })
      #expect(!fixture.sink.text.contains(EnvoyFixture.canary))
    }
  }

  @Test func aPlaceholderThatIsNotBoundIsInert() async throws {
    try await EnvoyFixture.run { fixture, upstream in
      let bearer = "authorization: Bearer \(EnvoyFixture.placeholder)"
      let cases: [(String, String, String, String)] = [
        ("other.test", fixture.request("/", host: "other.test", bearer), "secret_not_bound", "another host"),
        ("allowed.test", fixture.request("/", "x-key: \(EnvoyFixture.placeholder)"), "secret_not_bound", "another place"),
        ("allowed.test", fixture.request("/\(EnvoyFixture.placeholder)"), "placeholder_left", "the path"),
        ("allowed.test", fixture.request("/", bearer, bearer), "malformed_request", "twice"),
        ("allowed.test", fixture.request("/", "authorization: Bearer \(EnvoyFixture.canary)"), "secret_leak", "the real value"),
      ]
      for (host, text, reason, what) in cases {
        let answer = try await fixture.ask(text, host: host)
        #expect(answer?.reason == reason, "\(what): \(answer?.head ?? "closed")")
      }
      #expect(upstream.requests.isEmpty)
      let events = await fixture.sink.events(cases.count)
      #expect(events.map(\.reason) == cases.map { $0.2 })
      #expect(events.last?.severity == .critical)
      #expect(!fixture.sink.text.contains(EnvoyFixture.canary))
    }
  }

  @Test func whatEnvoyCannotDoIsRefused() async throws {
    var options = EnvoyFixture.Options()
    options.mayGoUnscrubbed = false
    try await EnvoyFixture.run(options) { fixture, upstream in
      let bearer = "authorization: Bearer \(EnvoyFixture.placeholder)"
      #expect(try await fixture.ask(fixture.request("/", bearer))?.reason == "not_on_this_data_plane")
      #expect(try await fixture.ask(fixture.request("/"))?.status == 200)
      // No name is in a handshake to an address, so there would be no certificate for it.
      let address = try await fixture.client { wire in
        try await wire.send(fixture.connect("127.0.0.1"))
        return try await wire.response()
      }
      #expect(address?.status == 403)
      #expect(upstream.requests.count == 1)
    }
  }

  @Test func aSecretInABodyIsRefused() async throws {
    var options = EnvoyFixture.Options()
    options.places = [.header("authorization"), .body]
    try await EnvoyFixture.run(options) { fixture, upstream in
      let text = "{\"token\":\"\(EnvoyFixture.placeholder)\"}"
      for field in ["content-length: \(text.utf8.count)", "transfer-encoding: chunked"] {
        let body = field.hasPrefix("t") ? "\(String(text.utf8.count, radix: 16))\r\n\(text)\r\n0\r\n\r\n" : text
        let answer = try await fixture.ask(fixture.request("/", method: "POST", field) + body)
        #expect(answer?.reason == "not_on_this_data_plane")
      }
      // Without a body there is nothing to miss.
      let bearer = try await fixture.ask(fixture.request("/", "authorization: Bearer \(EnvoyFixture.placeholder)"))
      #expect(bearer?.status == 200)
      #expect(upstream.requests.count == 1)
      let other = try await fixture.ask(
        fixture.request("/", method: "POST", host: "other.test", "content-length: 2") + "hi", host: "other.test")
      #expect(other?.reason != "not_on_this_data_plane")
      #expect(await fixture.sink.events(4).prefix(2).map(\.reason) == ["not_on_this_data_plane", "not_on_this_data_plane"])
    }
  }

  @Test func denialsAreReadable() async throws {
    try await EnvoyFixture.run { fixture, upstream in
      let host = try await fixture.client { wire in
        try await wire.send(fixture.connect("evil.test"))
        return try await wire.response()
      }
      #expect(host?.status == 403)
      #expect(host?.reason == "host_not_allowed")
      #expect(host?.member("host") == "evil.test")
      #expect(host?["content-type"] == "application/json")
      let password = try await fixture.client { wire in
        try await wire.send(fixture.connect("allowed.test", token: "wrong"))
        return try await wire.response()
      }
      #expect(password?.status == 407)
      #expect(password?["proxy-authenticate"] == "Basic realm=\"palana\"")
      let metadata = try await fixture.tunnel("meta.test") { wire in
        try await wire.send(fixture.request("/", host: "meta.test"))
        return try await wire.response()
      }
      #expect(metadata?.reason == "address_not_allowed")
      #expect(upstream.requests.isEmpty)
      #expect(await fixture.sink.events(3).map(\.reason) == ["host_not_allowed", "proxy_authentication_required", "address_not_allowed"])
    }
  }

  @Test func everyNameOfARequestIsTheOneOfTheTunnel() async throws {
    try await EnvoyFixture.run { fixture, upstream in
      let host = try await fixture.ask(fixture.request("/", host: "other.test"))
      #expect(host?.reason == "name_mismatch")
      let target = try await fixture.ask("GET https://other.test/ HTTP/1.1\r\nhost: allowed.test\r\n\r\n")
      #expect(target?.status == 403)
      let two = try await fixture.ask("GET / HTTP/1.1\r\nhost: allowed.test\r\nhost: other.test\r\n\r\n")
      #expect(two?.status == 400)
      #expect(upstream.requests.isEmpty)
      #expect(await fixture.sink.events(3).map(\.decision) == [.deny, .deny, .deny])
    }
  }

  /// Another name in the handshake: there is no certificate, and the event of the CONNECT says why.
  @Test func theNameInTheHandshakeIsTheOneOfTheTunnel() async throws {
    try await EnvoyFixture.run { fixture, upstream in
      let answer = try? await fixture.tunnel(serverName: "other.test") { wire in
        try await wire.send(fixture.request("/"))
        return try await wire.response()
      }
      #expect((answer ?? nil)?.status == nil)
      #expect(upstream.connections == 0)
      let event = await fixture.sink.events(1).first
      #expect(event?.decision == .deny)
      #expect(event?.reason == "name_mismatch")
      #expect(event?.action == "connect")
    }
  }

  @Test func aCertificateExistsOnlyForWhatIsAllowedNow() async throws {
    try await EnvoyFixture.run { fixture, _ in
      // Nobody has a tunnel to it, so whoever asks gets none.
      _ = try? await fixture.tunnel("allowed.test", serverName: "never.names.test") { wire in try await wire.some() }
      let event = await fixture.sink.events(1).first
      #expect(event?.reason == "name_mismatch")
      let answer = try await fixture.ask(fixture.request("/"))
      #expect(answer?.status == 200)
    }
  }

  @Test func malformedRequestsAreRefusedAndWrittenDown() async throws {
    try await EnvoyFixture.run { fixture, upstream in
      let cases = [
        "GET / HTTP/1.1\r\nhost: allowed.test\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: allowed.test\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        "G@T / HTTP/1.1\r\nhost: allowed.test\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: allowed.test\r\nx : y\r\n\r\n", "GET /a#b HTTP/1.1\r\nhost: allowed.test\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: allowed.test\r\nx: a\u{0}b\r\n\r\n",
        "GET /..%2f..%2fadmin HTTP/1.1\r\nhost: allowed.test:\(fixture.upstreamPort)\r\n\r\n",
      ]
      for text in cases {
        let answer = try await fixture.ask(text)
        #expect(answer?.status == 400, "\(text): \(answer?.head ?? "closed")")
        #expect(answer?.reason == "malformed_request", "\(text): \(answer?.body ?? "")")
      }
      let large = try await fixture.ask(fixture.request("/", "x: " + String(repeating: "a", count: 70_000)))
      #expect(large?.status == 431)
      #expect(upstream.requests.isEmpty)
      let events = await fixture.sink.events(cases.count + 1)
      #expect(events.count == cases.count + 1)
      #expect(events.allSatisfy { $0.decision == .deny && $0.agent?.name == "a" })
      #expect(events.last?.reason == "headers_too_large")
    }
  }

  @Test func upstreamsAreVerified() async throws {
    var options = EnvoyFixture.Options()
    options.certificate = "another.test"
    try await EnvoyFixture.run(options) { fixture, upstream in
      let answer = try await fixture.ask(fixture.request("/"))
      #expect(answer?.status == 502)
      #expect(answer?.reason == "upstream_certificate_invalid")
      #expect(upstream.requests.isEmpty)
      let event = await fixture.sink.events(1).first
      #expect(event?.decision == .error)
      #expect(event?.reason == "upstream_certificate_invalid")
    }
  }

  @Test func whatComesThroughATunnelIsTLS() async throws {
    try await EnvoyFixture.run { fixture, upstream in
      let rest = try await fixture.client { wire in
        try await wire.send(fixture.connect("allowed.test"))
        _ = try await wire.head()
        try await wire.send("GET / HTTP/1.1\r\nhost: allowed.test\r\n\r\n")
        return try await wire.rest()
      }
      #expect(rest == "")
      #expect(upstream.connections == 0)
      #expect(await fixture.sink.events(1).first?.reason == "protocol_not_supported")
    }
  }
}

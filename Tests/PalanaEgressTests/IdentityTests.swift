import PalanaAPI
import PalanaAudit
import PalanaCore
import Testing

@testable import PalanaEgress

/// The family "Identity": who speaks is known from the network and the token, never from what the request says.
@Suite(.timeLimit(.minutes(10)))
struct IdentityTests {
  @Test func anAddressWithoutAnAgentIsClosedAndCounted() async throws {
    try await GatewayFixture.run { fixture, _ in
      for _ in 0..<50 {
        // The reset may arrive before the request is written.
        let answer = try? await fixture.client(from: "127.0.1.77") { wire in
          try? await wire.send(fixture.connect("allowed.test"))
          return try await wire.rest()
        }
        #expect(answer == nil || answer == "")
      }
      #expect(await fixture.gateway.statistics().refusedConnections == 50)
      // A flood is one event at once and one with the count later, on each event loop.
      let events = fixture.sink.events
      #expect(events.count <= 2)
      #expect(events.allSatisfy { $0.reason == "agent_unknown" && $0.source?.ip.description == "127.0.1.77" })
    }
  }

  @Test func theTokenIsRequiredAndBelongsToTheAddress() async throws {
    try await GatewayFixture.run { fixture, upstream in
      for token in [nil, "wrong", "", GatewayFixture.tokenB, GatewayFixture.tokenA + "x"] {
        let answer = try await fixture.client { wire in
          try await wire.send(fixture.connect("allowed.test", token: token))
          return try await wire.response()
        }
        #expect(answer?.status == 407, "\(token ?? "none")")
        #expect(answer?["proxy-authenticate"] == "Basic realm=\"palana\"")
        #expect(answer?.reason == "proxy_authentication_required")
      }
      // B's own token works from B's address only; the rules are B's then.
      let asB = try await fixture.tunnel("other.test", from: "127.0.1.2", token: GatewayFixture.tokenB) { wire in
        try await wire.send(fixture.request("/", host: "other.test"))
        return try await wire.response()
      }
      #expect(asB?.status == 502)
      let events = await fixture.sink.events(6)
      #expect(events.prefix(5).allSatisfy { $0.decision == .deny && $0.agent?.name == "a" })
      #expect(events.last?.agent?.name == "b")
    }
  }

  @Test func aProofInAnotherSchemeOrPlaceIsNone() async throws {
    try await GatewayFixture.run { fixture, upstream in
      let proof = GatewayFixture.basic(GatewayFixture.tokenA)
      let fields = [
        "proxy-authorization: Bearer \(GatewayFixture.tokenA)", "proxy-authorization: \(GatewayFixture.tokenA)",
        "proxy-authorization: Digest \(proof.dropFirst(6))", "proxy-authorization: Basic", "proxy-authorization: Basic !!!",
        "proxy-authorization: \(GatewayFixture.basicOf(GatewayFixture.tokenA))",
        "proxy-authorization: \(GatewayFixture.basicOf(GatewayFixture.tokenA + ":agent"))", "authorization: \(proof)",
        "x-proxy-authorization: \(proof)", "cookie: proxy-authorization=\(proof)",
      ]
      for field in fields {
        let answer = try await fixture.client { wire in
          let authority = "allowed.test:\(upstream.port)"
          try await wire.send("CONNECT \(authority) HTTP/1.1\r\nhost: \(authority)\r\n\(field)\r\n\r\n")
          return try await wire.response()
        }
        #expect(answer?.status == 407, "\(field)")
        #expect(answer?.body.contains(GatewayFixture.tokenA) == false)
      }
      // Two proofs, one of them right, are not one.
      let double = try await fixture.client { wire in
        try await wire.send(
          String(fixture.connect("allowed.test").dropLast()) + "proxy-authorization: \(proof)\r\n\r\n")
        return try await wire.response()
      }
      #expect(double?.status == 400)
      #expect(upstream.connections == 0)
      #expect(!fixture.sink.text.contains(GatewayFixture.tokenA))
      #expect(await fixture.sink.events(fields.count + 1).allSatisfy { $0.decision == .deny && $0.agent?.name == "a" })
    }
  }

  @Test func aClientThatGuessesHasToComeAgain() async throws {
    try await GatewayFixture.run { fixture, _ in
      try await fixture.client { wire in
        for _ in 0..<4 {
          try await wire.send(fixture.connect("allowed.test", token: "guess"))
          #expect(try await wire.response()?.status == 407)
        }
        #expect(try await wire.rest() == "")
      }
    }
  }

  @Test func plainRequestsNeedTheTokenToo() async throws {
    var options = GatewayFixture.Options()
    options.certificate = nil
    try await GatewayFixture.run(options) { fixture, upstream in
      for source in ["127.0.1.1", "127.0.1.2"] {
        // A's own token from B's address, and none at all from A's.
        let answer = try await fixture.client(from: source) { wire in
          let request = fixture.plain()
          let proof = "proxy-authorization: \(GatewayFixture.basic(GatewayFixture.tokenA))\r\n"
          try await wire.send(source == "127.0.1.2" ? request : request.replacing(proof, with: ""))
          return try await wire.response()
        }
        #expect(answer?.status == 407)
      }
      #expect(upstream.connections == 0)
    }
  }

  @Test func afterAChallengeTheSameConnectionMayAnswerIt() async throws {
    try await GatewayFixture.run { fixture, _ in
      try await fixture.client { wire in
        try await wire.send(fixture.connect("allowed.test", token: nil))
        #expect(try await wire.response()?.status == 407)
        try await wire.send(fixture.connect("allowed.test"))
        #expect(try await wire.head()?.contains(" 200 ") == true)
      }
    }
  }

  @Test func schemesOfTheProofAreCaseInsensitive() async throws {
    try await GatewayFixture.run { fixture, _ in
      let proof = GatewayFixture.basic(GatewayFixture.tokenA).dropFirst(6)
      for scheme in ["basic", "BASIC", "Basic "] {
        try await fixture.client { wire in
          try await wire.send(
            "CONNECT allowed.test:\(fixture.upstreamPort) HTTP/1.0\r\nproxy-authorization: \(scheme) \(proof)\r\n\r\n")
          #expect(try await wire.head()?.contains(" 200 ") == true, "\(scheme)")
        }
      }
    }
  }

  @Test func forgedIdentityFieldsDoNotTravel() async throws {
    try await GatewayFixture.run { fixture, upstream in
      let forged = [
        "X-Forwarded-For: 127.0.1.2", "X-Forwarded-Host: evil.test", "X-Forwarded-Proto: http", "Forwarded: for=1.2.3.4",
        "Via: 1.1 evil", "X-Real-IP: 127.0.1.2", "X-Envoy-Original-Path: /x", "Proxy-Authorization: Basic eA==",
        "Proxy-Connection: keep-alive", "Client-Cert: :x:", "X-Client-Cert: y", "X-Client-Cert-Chain: z",
        "X-SSL-Client-Verify: SUCCESS", "X-Palana-Agent: b", "Keep-Alive: timeout=5", "TE: trailers", "Trailer: authorization",
        "X-Original-URL: /admin", "X-Rewrite-URL: /admin", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__",
        "Connection: x-hop, keep-alive", "X-Hop: 1",
        // Of proxies, clouds and single sign-on.
        "Remote-User: root", "X-Remote-User: root", "X-Remote-Group: admins", "X-WebAuth-User: root", "X-Auth-Request-User: root",
        "X-Authenticated-User: root", "X-Forwarded-User: root", "X-MS-Client-Principal-Name: root", "X-Goog-IAP-JWT-Assertion: x.y.z",
        "X-Goog-Authenticated-User-Email: root", "X-Amzn-Oidc-Identity: root", "X-ARR-ClientCert: x", "SSL-Client-Verify: SUCCESS",
        "TLS-Client-Cert: x", "X-Client-Verify: SUCCESS", "X-Original-Method: DELETE", "CF-Connecting-IPv6: ::1", "Fly-Client-IP: ::1",
        // Of traces.
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate: a=b", "baggage: user=root", "b3: 0",
        "X-B3-TraceId: 1", "X-Request-Id: 1", "X-Correlation-ID: 1", "Uber-Trace-Id: 1:1:0:1", "uberctx-user: root",
        "X-Cloud-Trace-Context: 1/1;o=1", "X-Amzn-Trace-Id: Root=1", "X-Datadog-Trace-Id: 1", "Sentry-Trace: 1-1-1",
        "Elastic-Apm-Traceparent: 1", "X-OT-Span-Context: 1", "X-Trace-Id: 1", "Grpc-Trace-Bin: AA==",
      ]
      // Names that only look alike.
      let kept = [
        "x-kept", "x-api-key", "x-request", "x-client", "x-amz-date", "tracer", "basic", "x-cost", "x-remotely", "x-goog-api-key",
      ]
      .map { $0 + ": yes\r\n" }.joined()
      let response = try await fixture.tunnel { wire in
        try await wire.send(
          "GET / HTTP/1.1\r\nhost: allowed.test:\(upstream.port)\r\n" + forged.map { $0 + "\r\n" }.joined()
            + kept + "\r\n")
        return try await wire.response()
      }
      let seen = try #require(response?.body)
      #expect(
        seen == "GET / HTTP/1.1\r\nhost: allowed.test:\(upstream.port)\r\n\(kept)\r\n")
    }
  }

  @Test func anotherMethodCannotBeAskedForInAField() async throws {
    try await GatewayFixture.run { fixture, upstream in
      for field in ["X-HTTP-Method-Override: DELETE", "x-http-method: PUT", "X-Method-Override: DELETE"] {
        let answer = try await fixture.tunnel { wire in
          try await wire.send(fixture.request("/", field))
          return try await wire.response()
        }
        #expect(answer?.reason == "method_not_allowed")
      }
      #expect(upstream.requests.isEmpty)
    }
  }

  @Test func anAddressThatWentToAnotherAgentLosesItsConnections() async throws {
    try await GatewayFixture.run { fixture, _ in
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/"))
        #expect(try await wire.response()?.status == 200)
        // The address of A belongs to a new agent now.
        let next = try fixture.agent("c", source: "127.0.1.1", token: "other", rules: [], bindings: [])
        await fixture.gateway.apply(try EgressSnapshot(version: 2, agents: [next]))
        #expect(try await wire.rest() == "")
      }
      let stale = try await fixture.client { wire in
        try await wire.send(fixture.connect("allowed.test"))
        return try await wire.response()
      }
      #expect(stale?.status == 407)
    }
  }

  @Test func twoAgentsCannotShareAnAddress() async throws {
    try await GatewayFixture.run { fixture, _ in
      let one = try fixture.agent("x", source: "127.0.1.9", token: "1", rules: [], bindings: [])
      let two = try fixture.agent("y", source: "127.0.1.9", token: "2", rules: [], bindings: [])
      #expect(throws: PalanaError.self) { try EgressSnapshot(version: 1, agents: [one, two]) }
    }
  }

  @Test func connectionsOfOneAgentAreBounded() async throws {
    var options = GatewayFixture.Options()
    options.limits.connectionsPerAgent = 3
    try await GatewayFixture.run(options) { fixture, _ in
      try await withThrowingTaskGroup(of: Void.self) { group in
        let (opened, signal) = AsyncStream<Void>.makeStream()
        for _ in 0..<3 {
          group.addTask {
            try await fixture.tunnel { wire in
              signal.yield()
              _ = try await wire.rest()
            }
          }
        }
        var iterator = opened.makeAsyncIterator()
        for _ in 0..<3 { _ = await iterator.next() }
        let refused = try? await fixture.client { wire in
          try? await wire.send(fixture.connect("allowed.test"))
          return try await wire.rest()
        }
        #expect(refused == nil || refused == "")
        // The other agent has its own count.
        try await fixture.tunnel("other.test", from: "127.0.1.2", token: GatewayFixture.tokenB) { _ in }
        #expect(fixture.sink.events.contains { $0.reason == "limit_exceeded" })
        await fixture.gateway.cut([try GatewayFixture.idA])
        try await group.waitForAll()
      }
      // What was closed is free again.
      try await fixture.tunnel { _ in }
    }
  }
}

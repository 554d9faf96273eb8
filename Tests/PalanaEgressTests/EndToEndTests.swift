import PalanaAudit
import PalanaCore
import Testing

@testable import PalanaEgress

/// The whole way once: CONNECT, TLS, decision, upstream, response, event.
@Suite(.timeLimit(.minutes(10)))
struct EndToEndTests {
  @Test func aRequestThroughATunnel() async throws {
    try await GatewayFixture.run { fixture, upstream in
      let response = try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/hello?x=1", "user-agent: test"))
        return try await wire.response()
      }
      let answer = try #require(response)
      #expect(answer.status == 200)
      #expect(answer["x-up"] == "1")
      #expect(answer.body == "GET /hello?x=1 HTTP/1.1\r\nhost: allowed.test:\(upstream.port)\r\nuser-agent: test\r\n\r\n")
      let events = await fixture.sink.events(1)
      #expect(events.count == 1)
      let event = try #require(events.first)
      #expect(event.decision == .allow)
      #expect(event.rule == "agent/allowed")
      #expect(event.request?.path == "/hello")
      #expect(event.request?.method == "GET")
      #expect(event.response?.status == 200)
      #expect(event.source?.ip.description == "127.0.1.1")
      #expect(event.agent?.name == "a")
    }
  }

  @Test func theCredentialReachesTheUpstreamAndNobodyElse() async throws {
    try await GatewayFixture.run { fixture, upstream in
      let response = try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/", "authorization: Bearer \(GatewayFixture.placeholder)"))
        return try await wire.response()
      }
      #expect(upstream.requests.first?.contains("authorization: Bearer \(GatewayFixture.canary)\r\n") == true)
      // The upstream repeats what it received: the agent sees stars.
      #expect(response?.body.contains(GatewayFixture.canary) == false)
      #expect(response?.body.contains("Bearer **") == true)
      #expect(await fixture.sink.events(1).first?.secrets == ["GITHUB_PAT"])
      #expect(!fixture.sink.text.contains(GatewayFixture.canary))
    }
  }

  @Test func plainHTTP() async throws {
    var options = GatewayFixture.Options()
    options.certificate = nil
    try await GatewayFixture.run(options) { fixture, upstream in
      let response = try await fixture.client { wire in
        try await wire.send(
          "GET http://allowed.test:\(upstream.port)/plain HTTP/1.1\r\nhost: allowed.test:\(upstream.port)\r\n"
            + "proxy-authorization: \(GatewayFixture.basic(GatewayFixture.tokenA))\r\n\r\n")
        return try await wire.response()
      }
      #expect(response?.body == "GET /plain HTTP/1.1\r\nhost: allowed.test:\(upstream.port)\r\n\r\n")
      #expect(await fixture.sink.events(1).first?.request?.scheme == "http")
    }
  }

  @Test func manyRequestsAreManyEvents() async throws {
    try await GatewayFixture.run { fixture, upstream in
      try await fixture.tunnel { wire in
        for number in 0..<20 {
          try await wire.send(fixture.request("/\(number)"))
          #expect(try await wire.response()?.status == 200)
        }
        // Several at once: served one after the other.
        try await wire.send((0..<10).map { fixture.request("/p\($0)") }.joined())
        for number in 0..<10 { #expect(try await wire.response()?.body.hasPrefix("GET /p\(number) ") == true) }
      }
      let events = await fixture.sink.events(30)
      #expect(events.count == 30)
      #expect(Set(events.compactMap(\.request?.id)).count == 30)
      #expect(upstream.connections == 1)
    }
  }
}

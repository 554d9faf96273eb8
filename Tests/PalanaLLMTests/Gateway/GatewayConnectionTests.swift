import NIOHTTP1
import PalanaAudit
import Testing

@testable import PalanaLLM

/// The gateway's connections to upstreams.
@Suite(.timeLimit(.minutes(2))) struct GatewayConnectionTests {
  static let path = GatewayCallTests.path

  /// A handshake for every call would cost more than all else. What an agent's call carries is its own all the same.
  @Test func connectionsAreKept() async throws {
    try await TestUpstream.run({ _, answer in try await answer.whole(.ok, [], GatewayCallTests.completion()) }) { upstream in
      try await GatewayWorld.run([GatewayWorld.route([upstream.url])]) { world in
        for _ in 0..<8 {
          for agent in [world.agent, world.agent, world.other] {
            let status = try await agent.post(Self.path, GatewayCallTests.chat()).status
            #expect(status == 200)
          }
        }
        let requests = upstream.requests
        // One for each of the two event loops.
        #expect(Set(requests.map(\.port)).count == 2)
        let credentials = requests.map { $0.field("authorization") ?? "" }
        let expected = ["demo", "demo", "other"].map { "Bearer \(GatewayWorld.key)-\($0)" }
        #expect(credentials == (0..<8).flatMap { _ in expected })
      }
    }
  }

  @Test func anUpstreamMayEndThem() async throws {
    try await TestUpstream.run({ _, answer in
      try await answer.whole(.ok, [("connection", "close")], GatewayCallTests.completion())
      try await answer.close()
    }) { upstream in
      try await GatewayWorld.run([GatewayWorld.route([upstream.url])]) { world in
        for number in 1...8 {
          let answer = try await world.agent.post(Self.path, GatewayCallTests.chat())
          #expect(answer.status == 200, "\(number): \(answer.body)")
        }
        #expect(Set(upstream.requests.map(\.port)).count == 8)
      }
    }
  }

  @Test(arguments: [["h2", "http/1.1"], ["http/1.1"]]) func providersAreReachedByTLS(_ protocols: [String]) async throws {
    try await TLSUpstream.run(protocols) { upstream in
      try await GatewayWorld.run([GatewayWorld.route([upstream.url])], trusting: [upstream.certificateFile]) { world in
        for _ in 0..<3 {
          for agent in [world.agent, world.agent, world.other] {
            let whole = try await agent.post(Self.path, GatewayCallTests.chat())
            #expect(whole.status == 200 && whole.body == GatewayCallTests.completion())
            let stream = try await agent.post(Self.path, GatewayStreamTests.chat())
            #expect(stream.status == 200 && stream.isWhole)
            #expect(stream.body.contains("one") && stream.body.contains("two") && stream.body.hasSuffix(GatewayStreamTests.done))
          }
        }
        let requests = upstream.requests
        #expect(requests.count == 18)
        let expected: HTTPVersion = protocols.contains("h2") ? .http2 : .http1_1
        #expect(requests.allSatisfy { $0.version == expected })
        #expect(
          requests.prefix(6).map(\.credential)
            == ["demo", "demo", "demo", "demo", "other", "other"].map { "Bearer \(GatewayWorld.key)-\($0)" })
        // One for each of the two event loops.
        #expect(upstream.connections == 2)
      }
    }
  }

  /// Nobody gets a credential before he has proved who he is.
  @Test func whoIsNotTrustedGetsNothing() async throws {
    try await TLSUpstream.run(["h2", "http/1.1"]) { upstream in
      var route = GatewayWorld.route([upstream.url])
      route.retries = 0
      try await GatewayWorld.run([route]) { world in
        let answer = try await world.agent.post(Self.path, GatewayCallTests.chat())
        #expect(answer.status == 502 && answer.body.contains("upstream_unreachable"))
        #expect(upstream.requests.isEmpty)
        let event = try #require(try await world.trail.calls(1).first)
        #expect(event.details["cost"] == nil, "nothing was used")
      }
    }
  }
}

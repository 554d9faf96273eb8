import NIOHTTP1
import PalanaAPI
import PalanaAudit
import PalanaCore
import Testing

@testable import PalanaLLM

/// What a route takes in one request.
@Suite(.timeLimit(.minutes(2))) struct GatewayLimitTests {
  @Test func aRouteBoundsItsRequests() async throws {
    try await TestUpstream.run({ _, answer in try await answer.whole(.ok, [], GatewayCallTests.completion()) }) { upstream in
      var route = GatewayWorld.route([upstream.url])
      (route.maxInput, route.maxBody) = (100, 2_000)
      var wide = GatewayWorld.route([upstream.url])
      wide.name = "wide"
      try await GatewayWorld.run([route, wide]) { world in
        func ask(_ words: Int, _ path: String = GatewayCallTests.path, _ fields: [(String, String)] = []) async throws -> TestAgent.Answer {
          try await world.agent.post(
            path, GatewayCallTests.chat().replacing("Say hello", with: String(repeating: "word ", count: words)), fields)
        }
        let fits = try await ask(10)
        #expect(fits.status == 200)
        let many = try await ask(200)
        #expect(many.status == 413 && many.body.contains("request_too_large"))
        #expect(many.body.contains("takes 100 of them") && many.body.contains("/unified"), "\(many.body)")
        let large = try await ask(500)
        #expect(large.status == 413 && large.body.contains("request_too_large") && large.body.contains("2000 bytes"), "\(large.body)")
        #expect(upstream.requests.count == 1)
        let other = try await ask(500, "/wide/v1/chat/completions")
        #expect(other.status == 200)
        let events = try await world.trail.calls(4)
        #expect(events.map(\.reason) == [nil, "request_too_large", "request_too_large", nil])
        #expect(events.map(\.decision) == [.allow, .deny, .deny, .allow])
        // Nothing was taken from a budget for what did not go out.
        #expect(world.ledger.openCalls == 0)
      }
    }
  }

  /// The gateway's own bound is not widened by a route's.
  @Test func theSmallerBoundCounts() async throws {
    try await TestUpstream.run({ _, answer in try await answer.whole(.ok, [], GatewayCallTests.completion()) }) { upstream in
      var (route, limits) = (GatewayWorld.route([upstream.url]), LLMLimits())
      (route.maxBody, limits.requestBytes) = (1 << 20, 1_000)
      try await GatewayWorld.run([route], limits: limits) { world in
        let body = GatewayCallTests.chat().replacing("Say hello", with: String(repeating: "x", count: 1_200))
        let answer = try await world.agent.post(GatewayCallTests.path, body)
        #expect(answer.status == 413 && answer.body.contains("1000 bytes"))
      }
    }
  }
}

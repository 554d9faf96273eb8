import NIOHTTP1
import PalanaAPI
import PalanaCore
import Testing

@testable import PalanaLLM

/// What the gateway counts of real calls.
@Suite(.timeLimit(.minutes(2))) struct GatewayMetricsTests {
  private static func budget() throws -> LLMBudget {
    LLMBudget(
      metadata: ObjectMeta(name: try ResourceName("few")),
      spec: LLMBudgetSpec(scope: LLMBudgetScope(each: .agent), limits: [LLMBudgetLimit(window: .month, requests: 4)], concurrency: 8))
  }

  @Test func callsAreCountedByWhatTheyCameTo() async throws {
    try await TestUpstream.run({ request, answer in
      if request.body.contains("boom") { return try await answer.whole(.badRequest, [], #"{"error":{"message":"no"}}"#) }
      guard request.body.contains(#""stream":true"#) else { return try await answer.whole(.ok, [], GatewayCallTests.completion()) }
      try await answer.beginStream()
      try await answer.send(GatewayStreamTests.piece("a") + GatewayStreamTests.usage + GatewayStreamTests.done)
      try await answer.end()
    }) { upstream in
      var route = GatewayWorld.route([upstream.url])
      route.models = ModelRules(allowed: ["gpt-4o*"])
      try await GatewayWorld.run([route], budgets: [try Self.budget()]) { world in
        let before = try PrometheusParser(PrometheusText.text(await world.gateway.metrics()))
        #expect(before.value("palana_llm_calls_in_flight") == 0)
        #expect(before.count("palana_llm_requests_total") == 0)

        let path = GatewayCallTests.path
        for _ in 0..<2 { _ = try await world.agent.post(path, GatewayCallTests.chat("gpt-4o-mini")) }
        _ = try await world.agent.post(path, GatewayStreamTests.chat())
        _ = try await world.agent.post(path, GatewayCallTests.chat("gpt-4o-mini", #","user":"boom""#))
        _ = try await world.agent.post(path, GatewayCallTests.chat("o1-pro"))
        _ = try await world.agent.post(path, GatewayCallTests.chat("gpt-4o-mini"))
        let over = try await world.agent.post(path, GatewayCallTests.chat("gpt-4o-mini")).status
        #expect(over == 429)
        _ = try await world.other.post(path, GatewayCallTests.chat("gpt-4o-mini"))
        _ = try await world.agent.post("/nowhere/v1/chat/completions", "{}")
        // A list of models is no call.
        _ = try await world.agent.post("/unified/v1/models", "", method: .GET)
        _ = try await world.trail.calls(10)

        let after = try PrometheusParser(PrometheusText.text(await world.gateway.metrics()))
        let demo = ["route": "unified", "model": "gpt-4o-mini", "owner": "alice@example.com", "agent": "demo"]
        func requests(_ outcome: String) -> Double? { after.value("palana_llm_requests_total", demo.merging(["outcome": outcome]) { $1 }) }
        #expect(requests("ok") == 4)
        #expect(requests("error") == 1)
        #expect(requests("refused") == 1)
        #expect(after.sum("palana_llm_requests_total", ["model": "other", "agent": "demo", "outcome": "refused"]) == 1)
        #expect(after.sum("palana_llm_requests_total", ["agent": "other", "owner": "bob@example.com"]) == 1)
        #expect(after.value("palana_llm_tokens_total", demo.merging(["kind": "input"]) { $1 }) == 45)
        #expect(after.value("palana_llm_tokens_total", demo.merging(["kind": "output"]) { $1 }) == 11)
        #expect(after.sum("palana_llm_cost_dollars_total", ["agent": "demo"]) > 0)
        #expect(after.value("palana_llm_refusals_total", ["reason": "model_not_allowed"]) == 1)
        #expect(after.value("palana_llm_refusals_total", ["reason": "budget_exceeded"]) == 1)
        #expect(after.value("palana_llm_refusals_total", ["reason": "route_unknown"]) == 1)
        #expect(after.value("palana_llm_request_duration_seconds_count", ["route": "unified", "model": "gpt-4o-mini"]) == 6)
        #expect(after.value("palana_llm_time_to_first_token_seconds_count", ["route": "unified", "model": "gpt-4o-mini"]) == 1)
        let limit = ["budget": "few", "group": world.alice.id.text, "measure": "requests", "window": "month"]
        #expect(after.value("palana_llm_budget_used", limit) == 4)
        #expect(after.value("palana_llm_budget_limit", limit) == 4)
      }
    }
  }

  @Test func whoLeavesAndWhoIsNobodyIsCounted() async throws {
    try await TestUpstream.run({ _, answer in
      try await answer.beginStream()
      try await answer.send(GatewayStreamTests.piece("a"))
      try await answer.gone()
    }) { upstream in
      try await GatewayWorld.run([GatewayWorld.route([upstream.url])]) { world in
        await #expect(throws: (any Error).self) { try await world.stranger.post(GatewayCallTests.path, GatewayCallTests.chat()) }
        try await world.agent.open(GatewayCallTests.path, GatewayStreamTests.chat()) { reader in
          _ = try await reader.head()
          _ = try await reader.piece()
          let during = try PrometheusParser(PrometheusText.text(await world.gateway.metrics()))
          #expect(during.value("palana_llm_calls_in_flight") == 1)
          #expect(during.value("palana_llm_connections") == 1)
        }
        _ = try await world.trail.calls(1)
        let after = try PrometheusParser(PrometheusText.text(await world.gateway.metrics()))
        #expect(after.sum("palana_llm_requests_total", ["outcome": "cancelled"]) == 1)
        #expect(after.value("palana_llm_refusals_total", ["reason": "agent_unknown"]) == 1)
        #expect(after.sum("palana_llm_refusals_total") == 1)
      }
    }
  }
}

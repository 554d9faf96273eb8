import PalanaAPI
import PalanaControl
import PalanaControlAPI
import PalanaCore
import Synchronization

/// Stands in for the gateway of language models and its ledger: what was used is what a test says.
final class FakeModels: Sendable {
  struct State {
    var usage: [LLMUsageQuery] = []
    var calls: [(owner: UserIdentity?, agent: String?, limit: Int)] = []
    var figures: [LLMProbe.Figures] = []
  }

  let state = Mutex(State())

  func probe() throws(PalanaError) -> LLMProbe {
    LLMProbe(
      routes: ["aws", "unified"],
      credentials: [
        .init(route: "aws", secret: "AWS", key: "value", scope: .agent, upstream: "bedrock"),
        .init(route: "unified", secret: "OPENAI", key: "value", scope: .route, upstream: "openai"),
        .init(route: "unified", secret: "BOTH", key: "first", scope: .route, upstream: "openai"),
        .init(route: "unified", secret: "BOTH", key: "second", scope: .route, upstream: "local"),
      ], owner: try UserIdentity("palana:llm"),
      usage: { [self] query async throws(PalanaError) in
        state.withLock { $0.usage.append(query) }
        return [
          LLMUsageRow(
            key: "demo", agentID: "demo-0123456789", owner: query.owner?.raw ?? "everybody", calls: 3, errors: 1, interrupted: 0,
            refused: 2,
            tokens: TokenUsage(input: 100, cachedInput: 40, output: 20, reasoning: 5), cost: Cost(nanoDollars: 1_250_000),
            isPriceKnown: true, latency: Self.latency([150_000, 900_000, 3_000_000]), timeToFirstToken: Self.latency([]))
        ]
      },
      calls: { [self] owner, agent, limit async throws(PalanaError) in
        state.withLock { $0.calls.append((owner, agent, limit)) }
        return [Self.call(2), Self.call(1)]
      },
      figures: { [self] in state.withLock { $0.figures } },
      metrics: { [MetricFamily("palana_llm_calls_in_flight", .gauge, "Calls.", samples: [.init([], .integer(3))])] })
  }

  private static func latency(_ microseconds: [Int64]) -> LLMLatency {
    var latency = LLMLatency()
    for one in microseconds { latency.add(microseconds: one) }
    return latency
  }

  private static func call(_ second: Int64) -> LLMCallRow {
    LLMCallRow(
      time: Timestamp(seconds: second), agent: "demo", agentID: "demo-0123456789", owner: "alice", route: "unified", model: "gpt-4.1",
      investigation: nil, outcome: .ok, tokens: TokenUsage(input: 9, output: 2), cost: Cost(nanoDollars: 500), isPriceKnown: false,
      latencyMs: 420.5, timeToFirstTokenMs: nil)
  }
}

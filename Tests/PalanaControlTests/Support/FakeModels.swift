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
    var content: [LLMContentQuery] = []
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
      content: LLMProbe.Content(
        list: { [self] query async throws(PalanaError) in
          state.withLock { $0.content.append(query) }
          return LLMContentList(items: [try Self.said()], damaged: ["content-1.sealed: record 7 is not as it was written"])
        },
        record: { id async throws(PalanaError) in
          let item = try Self.said()
          guard id == item.id else { throw PalanaError(.notFound, "nothing is kept of a call ‘\(id)’") }
          return LLMContent(
            call: item, request: LLMContentBody(Array("what was asked".utf8), isTruncated: false),
            answer: LLMContentBody([0xff, 0x00], isTruncated: true))
        }),
      figures: { [self] in state.withLock { $0.figures } },
      metrics: { [MetricFamily("palana_llm_calls_in_flight", .gauge, "Calls.", samples: [.init([], .integer(3))])] })
  }

  private static func said() throws(PalanaError) -> LLMContentItem {
    let (owner, name) = (try UserIdentity("alice"), try ResourceName("demo"))
    return LLMContentItem(
      id: "a1b2-7", time: Timestamp(seconds: 1), agent: "demo", agentID: AgentID(owner: owner, name: name).text, owner: "alice",
      route: "unified", model: "gpt-4.1", upstream: "openai", path: "/unified/v1/chat/completions", status: nil, requestBytes: 14,
      answerBytes: 9_000, isRequestTruncated: false, isAnswerTruncated: true)
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

import PalanaAPI
import PalanaCore
import Testing

@testable import PalanaLLM

@Suite struct CallMeterTests {
  private static func key(_ agent: String, _ model: String, route: String = "unified") -> SeriesKey {
    SeriesKey(route: route, model: model, owner: "alice", agent: agent)
  }

  private static func send(_ key: SeriesKey, _ meter: inout CallMeter) {
    meter.sent(
      key, .ok, usage: TokenUsage(input: 10, cachedInput: 4, output: 3, reasoning: 1), cost: Cost(nanoDollars: 2_000), duration: 150_000,
      firstToken: nil)
  }

  private func parsed(_ meter: CallMeter) throws -> PrometheusParser {
    try PrometheusParser(PrometheusText.text(MetricReport(meter).families))
  }

  /// Names that an agent makes up take only its own places.
  @Test func anAgentHasSoManySeriesAndNoMore() throws {
    var meter = CallMeter(bounds: SeriesBounds())
    for number in 0..<500 { Self.send(Self.key("hostile", "made-up-\(number)"), &meter) }
    Self.send(Self.key("demo", "gpt-4.1"), &meter)
    let parsed = try parsed(meter)
    #expect(parsed.count("palana_llm_requests_total") == SeriesBounds.seriesPerAgent + 2)
    #expect(parsed.sum("palana_llm_requests_total", ["agent": "hostile"]) == 500)
    #expect(parsed.sum("palana_llm_requests_total", ["agent": "hostile", "model": "other"]) == 500 - Double(SeriesBounds.seriesPerAgent))
    #expect(parsed.sum("palana_llm_requests_total", ["agent": "demo", "model": "gpt-4.1", "outcome": "ok"]) == 1)
    #expect(parsed.sum("palana_llm_tokens_total", ["kind": "input"]) == 5_010)
    #expect(parsed.sum("palana_llm_tokens_total", ["kind": "cached"]) == 2_004)
    #expect(abs(parsed.sum("palana_llm_cost_dollars_total") - 0.001002) < 1e-9)
  }

  @Test func thereAreSoManySeriesAndNoMore() throws {
    // Two loops that share the bound, and see the same agents in another order.
    let bounds = SeriesBounds()
    var (first, second) = (CallMeter(bounds: bounds), CallMeter(bounds: bounds))
    for number in 0..<1_500 { Self.send(Self.key("a\(number)", "m"), &first) }
    for number in (0..<3_000).reversed() { Self.send(Self.key("a\(number)", "m"), &second) }
    first.add(second)
    let parsed = try parsed(first)
    #expect(parsed.count("palana_llm_requests_total") == SeriesBounds.series + 1)
    #expect(parsed.sum("palana_llm_requests_total") == 4_500)
    #expect(parsed.sum("palana_llm_requests_total", ["agent": "a0"]) == 2)
    #expect(parsed.sum("palana_llm_requests_total", ["agent": "other", "owner": "other", "model": "other", "route": "other"]) == 1_000)
  }

  @Test func timesHaveABoundOfTheirOwn() throws {
    var meter = CallMeter(bounds: SeriesBounds())
    for number in 0..<1_000 {
      meter.sent(
        Self.key("a\(number / 20)", "m\(number)"), .ok, usage: nil, cost: .zero, duration: 1_000_000,
        firstToken: number == 0 ? 300_000 : nil)
    }
    let parsed = try parsed(meter)
    #expect(parsed.count("palana_llm_request_duration_seconds_count") == SeriesBounds.timings + 1)
    #expect(parsed.sum("palana_llm_request_duration_seconds_count") == 1_000)
    #expect(parsed.sum("palana_llm_request_duration_seconds_sum") == 1_000)
    #expect(parsed.value("palana_llm_time_to_first_token_seconds_sum", ["route": "unified", "model": "m0"]) == 0.3)
    #expect(parsed.count("palana_llm_time_to_first_token_seconds_count") == 1)
  }

  /// What is refused may name any model: it has no series of its own, unless calls of the model went out.
  @Test func refusedModelsHaveNoSeries() throws {
    var meter = CallMeter(bounds: SeriesBounds())
    Self.send(Self.key("demo", "gpt-4.1"), &meter)
    meter.notSent(Self.key("demo", "gpt-4.1"))
    for number in 0..<100 { meter.notSent(Self.key("demo", "secret-\(number)")) }
    meter.refused("model_not_allowed")
    let parsed = try parsed(meter)
    #expect(parsed.sum("palana_llm_requests_total", ["outcome": "refused", "model": "gpt-4.1"]) == 1)
    #expect(parsed.sum("palana_llm_requests_total", ["outcome": "refused", "model": "other"]) == 100)
    #expect(parsed.count("palana_llm_requests_total") == 3)
    // Only refused: nothing was used, and nothing is said of it.
    #expect(parsed.count("palana_llm_cost_dollars_total") == 1)
    #expect(parsed.value("palana_llm_refusals_total", ["reason": "model_not_allowed"]) == 1)
  }

  @Test func amountsEndAtTheEndsOfTheNumbers() throws {
    var meter = CallMeter(bounds: SeriesBounds())
    for _ in 0..<3 {
      meter.sent(
        Self.key("demo", "m"), .error, usage: TokenUsage(input: .max, output: .max), cost: Cost(nanoDollars: .max), duration: .max,
        firstToken: -5)
    }
    var sum = meter
    sum.add(meter)
    _ = try parsed(sum)
  }

  @Test func budgetsThatAreUsedMostAreTold() throws {
    let many = (0..<1_200).map { number in
      BudgetFigures(
        budget: "everyone", group: "agent-\(number)", measure: .cost, window: .day, limit: 5_000_000_000, used: Int64(number) * 1_000_000,
        reserved: 1, resetsAt: nil)
    }
    let open = BudgetFigures(
      budget: "fleet", group: "", measure: .concurrency, window: nil, limit: 2, used: 0, reserved: 1, resetsAt: nil)
    let parsed = try PrometheusParser(PrometheusText.text(BudgetReport(many + [open]).families))
    #expect(parsed.count("palana_llm_budget_used") == BudgetReport.most)
    let labels = ["budget": "everyone", "group": "agent-1199", "measure": "cost", "window": "day"]
    #expect(parsed.value("palana_llm_budget_used", labels) == 1.199)
    #expect(parsed.value("palana_llm_budget_limit", labels) == 5)
    #expect(parsed.value("palana_llm_budget_reserved", labels) == 0.000000001)
    #expect(parsed.sum("palana_llm_budget_used", ["group": "agent-1"]) == 0)
  }
}

import NIOCore
import PalanaAPI
package import PalanaCore

extension LLMGateway {
  /// What was counted since the start, and how things stand now.
  package func metrics() async -> [MetricFamily] {
    var sum = CallMeter(bounds: SeriesBounds())
    var connections = 0
    for loop in loops {
      guard let (meter, open) = try? await loop.onLoop({ ($0.meter, $0.openConnections) }) else { continue }
      sum.add(meter)
      connections += open
    }
    return MetricReport(sum).families
      + [
        .gauge("palana_llm_calls_in_flight", "Calls of models that are under way.", Int64(shared.ledger.openCalls)),
        .gauge("palana_llm_connections", "Connections of agents to the gateway.", Int64(connections)),
      ] + BudgetReport(shared.ledger.figures()).families + (shared.content?.metrics ?? [])
  }
}

extension MetricFamily {
  fileprivate static func gauge(_ name: String, _ help: String, _ value: Int64) -> MetricFamily {
    MetricFamily(name, .gauge, help, samples: [Sample([], .integer(value))])
  }
}

/// What calls came to, as families of metrics.
struct MetricReport {
  private let meter: CallMeter

  init(_ meter: CallMeter) { self.meter = meter }

  var families: [MetricFamily] {
    let series = meter.series.sorted { left, right in
      (left.key.route, left.key.model, left.key.owner, left.key.agent) < (
        right.key.route, right.key.model, right.key.owner, right.key.agent
      )
    }
    var requests = MetricFamily("palana_llm_requests_total", .counter, "Calls of models by how they ended.")
    var tokens = MetricFamily(
      "palana_llm_tokens_total", .counter, "Tokens of calls. Cached ones are part of the input, reasoning is part of the output.")
    var costs = MetricFamily("palana_llm_cost_dollars_total", .counter, "What calls cost, in US dollars.")
    for (key, one) in series {
      let labels: [MetricFamily.Label] = [
        .init("route", key.route), .init("model", key.model), .init("owner", key.owner), .init("agent", key.agent),
      ]
      for outcome in CallMeter.Outcome.allCases where one.requests[outcome.rawValue] > 0 {
        requests.samples.append(.init(labels + [.init("outcome", "\(outcome)")], .integer(one.requests[outcome.rawValue])))
      }
      // What was only refused used nothing.
      guard one.requests[CallMeter.Outcome.refused.rawValue] < one.requests.indices.reduce(0, { $0 + one.requests[$1] }) else { continue }
      let kinds = [
        ("input", one.tokens.input), ("output", one.tokens.output), ("cached", one.tokens.cachedInput), ("reasoning", one.tokens.reasoning),
      ]
      for (kind, count) in kinds { tokens.samples.append(.init(labels + [.init("kind", kind)], .integer(count))) }
      costs.samples.append(.init(labels, .nano(one.nanoDollars)))
    }
    return [requests, tokens, costs] + timings + [refusals]
  }

  private var timings: [MetricFamily] {
    var durations = MetricFamily(
      "palana_llm_request_duration_seconds", .histogram, "From the request of the agent to the end of the answer.")
    var firstTokens = MetricFamily(
      "palana_llm_time_to_first_token_seconds", .histogram,
      "From the request of the agent to the first token, of answers that come as a stream.")
    for (key, timing) in meter.timings.sorted(by: { ($0.key.route, $0.key.model) < ($1.key.route, $1.key.model) }) {
      let labels: [MetricFamily.Label] = [.init("route", key.route), .init("model", key.model)]
      durations.add(labels, bounds: LLMLatency.bounds, counts: timing.duration.counts, sumMicroseconds: timing.duration.sumMicroseconds)
      guard timing.firstToken.count > 0 else { continue }
      firstTokens.add(
        labels, bounds: LLMLatency.bounds, counts: timing.firstToken.counts, sumMicroseconds: timing.firstToken.sumMicroseconds)
    }
    return [durations, firstTokens]
  }

  private var refusals: MetricFamily {
    MetricFamily(
      "palana_llm_refusals_total", .counter, "Requests that the gateway answered with an error of its own, or broke off.",
      samples: meter.refusals.sorted { $0.key < $1.key }.map { .init([.init("reason", $0.key)], .integer($0.value)) })
  }
}

/// Where budgets stand, as families of metrics.
struct BudgetReport {
  /// Of more limits than these only those are told of that are used most.
  static let most = 1_000

  private let figures: [BudgetFigures]

  init(_ figures: [BudgetFigures]) {
    func share(_ one: BudgetFigures) -> Double { one.limit > 0 ? Double(one.used) / Double(one.limit) : 1 }
    func order(_ one: BudgetFigures) -> (String, String, String, String) {
      (one.budget, one.group, one.measure.rawValue, one.window?.rawValue ?? "")
    }
    self.figures = figures.sorted { share($0) > share($1) }.prefix(Self.most).sorted { order($0) < order($1) }
  }

  var families: [MetricFamily] {
    func family(_ name: String, _ help: String, _ amount: KeyPath<BudgetFigures, Int64>) -> MetricFamily {
      MetricFamily(
        name, .gauge, help,
        samples: figures.map { one in
          let labels: [MetricFamily.Label] = [
            .init("budget", one.budget), .init("group", one.group), .init("measure", one.measure.rawValue),
            .init("window", one.window?.rawValue ?? ""),
          ]
          return .init(labels, one.measure == .cost ? .nano(one[keyPath: amount]) : .integer(one[keyPath: amount]))
        })
    }
    return [
      family("palana_llm_budget_limit", "What a budget allows in the present window: dollars, tokens, requests or calls at once.", \.limit),
      family("palana_llm_budget_used", "What of a budget is used in the present window.", \.used),
      family("palana_llm_budget_reserved", "What calls that are under way may still use of a budget.", \.reserved),
    ]
  }
}

import NIOCore
import PalanaAPI
import PalanaCore

/// What one event loop has counted since the start. It is of that loop alone, so that counting takes no lock.
struct CallMeter: Sendable {
  enum Outcome: Int, CaseIterable, Sendable { case ok, error, cancelled, refused }

  struct Series: Sendable {
    /// In the order of ``Outcome``.
    var requests: InlineArray<4, Int64> = .init(repeating: 0)
    var tokens = TokenUsage()
    var nanoDollars: Int64 = 0
  }

  struct Timing: Sendable {
    var duration = LLMLatency()
    var firstToken = LLMLatency()
  }

  private(set) var series: [SeriesKey: Series] = [:]
  private(set) var timings: [TimingKey: Timing] = [:]
  private(set) var refusals: [String: Int64] = [:]
  private let bounds: SeriesBounds

  init(bounds: SeriesBounds) { self.bounds = bounds }

  /// Counts a call that was sent to an upstream.
  /// - Parameters:
  ///   - usage: nil: nothing of it is known, or it used nothing.
  ///   - firstToken: microseconds from the request on; nil: none came, or not as a stream.
  mutating func sent(_ wanted: SeriesKey, _ outcome: Outcome, usage: TokenUsage?, cost: Cost, duration: Int64, firstToken: Int64?) {
    let key = series[wanted] == nil ? bounds.admit(wanted) : wanted
    series[key, default: Series()].add(outcome, usage, cost)
    // The model as the series has it: what is one of the others there is one here.
    let wantedTiming = TimingKey(route: wanted.route, model: key.model)
    let timing = timings[wantedTiming] == nil ? bounds.admit(wantedTiming) : wantedTiming
    timings[timing, default: Timing()].duration.add(microseconds: duration)
    if let firstToken { timings[timing, default: Timing()].firstToken.add(microseconds: firstToken) }
  }

  /// Counts a call that no upstream heard of. It makes no series of its own for a model: the name may be made up.
  mutating func notSent(_ wanted: SeriesKey) {
    var key = wanted
    if series[key] == nil {
      key.model = SeriesBounds.other
      if series[key] == nil { key = bounds.admit(key) }
    }
    series[key, default: Series()].add(.refused, nil, .zero)
  }

  /// Counts an answer that the gateway gave in place of an upstream's, or with which it broke one off.
  /// - Parameter reason: of a closed list.
  mutating func refused(_ reason: String) { refusals[reason, default: 0] &+= 1 }

  /// Adds what another loop has counted.
  mutating func add(_ other: CallMeter) {
    for (key, more) in other.series { series[key, default: Series()].add(more) }
    for (key, more) in other.timings {
      timings[key, default: Timing()].duration.add(more.duration)
      timings[key, default: Timing()].firstToken.add(more.firstToken)
    }
    for (reason, count) in other.refusals { refusals[reason, default: 0] &+= count }
  }
}

extension CallMeter.Series {
  fileprivate mutating func add(_ outcome: CallMeter.Outcome, _ usage: TokenUsage?, _ cost: Cost) {
    requests[outcome.rawValue] &+= 1
    if let usage { tokens = tokens + LedgerBounds.usage(usage) }
    nanoDollars = (Cost(nanoDollars: nanoDollars) + LedgerBounds.cost(cost)).nanoDollars
  }

  fileprivate mutating func add(_ other: Self) {
    for index in requests.indices { requests[index] &+= other.requests[index] }
    tokens = tokens + other.tokens
    nanoDollars = (Cost(nanoDollars: nanoDollars) + Cost(nanoDollars: other.nanoDollars)).nanoDollars
  }
}

extension LLMLatency {
  fileprivate mutating func add(_ other: LLMLatency) {
    let (sum, overflow) = sumMicroseconds.addingReportingOverflow(other.sumMicroseconds)
    sumMicroseconds = overflow ? .max : sum
    maxMicroseconds = max(maxMicroseconds, other.maxMicroseconds)
    for index in counts.indices where other.counts.indices.contains(index) { counts[index] &+= other.counts[index] }
  }
}

extension Call {
  /// Whether a model was asked, rather than which there are or how long a prompt is.
  private var isCall: Bool {
    switch endpoint?.purpose {
    case .call, .anything: true
    case .countTokens, .models, nil: false
    }
  }

  /// Counts a call that came to its end.
  /// - Parameter reason: why it was not answered as it was asked; nil: it was.
  func count(_ outcome: LLMOutcome, reason: String?, isAllowed: Bool, _ settled: Settled?) {
    if let reason, !isAllowed, reason != Self.agentLeft { loop.meter.refused(reason) }
    guard let route, isCall else { return }
    let model = scan.map { LedgerBounds.name(route.models.name(of: $0.call.model)) } ?? Self.unread
    let key = SeriesKey(route: route.name, model: model, owner: agent.owner.raw, agent: agent.name.text)
    guard attempts > 0 else {
      if !isAllowed { loop.meter.notSent(key) }
      return
    }
    let metered: CallMeter.Outcome =
      switch outcome {
      case .ok: .ok
      case .cancelled: .cancelled
      case .error, .interrupted: .error
      }
    loop.meter.sent(
      key, metered, usage: settled?.usage, cost: settled?.cost ?? .zero, duration: (NIODeadline.now() - begun).nanoseconds / 1000,
      firstToken: answer?.firstToken.map { ($0 - begun).nanoseconds / 1000 })
  }
}

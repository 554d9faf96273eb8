import Foundation
import Logging
import PalanaAPI
import PalanaCore
import PalanaLLM
import Synchronization
import Testing

/// A folder of its own for one test, removed behind it.
func withFolder<T>(_ body: (String) async throws -> T) async throws -> T {
  let folder = NSTemporaryDirectory() + "palana-llm-" + RandomToken.hex(bytes: 8)
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  return try await body(folder)
}

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// A clock that tests set.
final class TestClock: Sendable {
  private let time: Mutex<Timestamp>

  init(_ text: String = "2026-11-27T12:00:00Z") { time = Mutex(Timestamp(parsing: text) ?? Timestamp(seconds: 0)) }

  var now: Timestamp { time.withLock { $0 } }
  var wall: WallClock { WallClock { self.now } }
  func advance(_ seconds: Int) { time.withLock { $0 = $0 + .seconds(seconds) } }
  func set(_ text: String) { time.withLock { $0 = Timestamp(parsing: text) ?? $0 } }
}

/// One dollar for a million tokens in, two for a million out, so that costs are easy to see.
func plainPrices() throws -> PriceTable {
  let rates = PriceList.Rates(input: try DollarAmount("1"), output: try DollarAmount("2"))
  return try PriceTable(PriceList(prices: [.init(model: "m*", rates: rates)], defaults: false))
}

func caller(_ name: String = "demo", owner: String = "alice@example.com", template: String? = "python") throws -> LLMCaller {
  let owner = try UserIdentity(owner)
  return LLMCaller(id: AgentID(owner: owner, name: try ResourceName(name)), name: name, owner: owner, template: template)
}

func claim(
  _ name: String = "demo", owner: String = "alice@example.com", template: String? = "python", model: String = "m-1", input: Int64 = 100,
  output: Int64 = 50, at time: Timestamp
) throws -> Claim {
  Claim(
    caller: try caller(name, owner: owner, template: template), route: "unified", model: model, investigation: nil, input: input,
    output: output, time: time)
}

func budget(_ name: String, _ spec: LLMBudgetSpec) throws -> LLMBudget {
  LLMBudget(metadata: ObjectMeta(name: try ResourceName(name)), spec: spec)
}

func limit(_ window: LLMWindow, tokens: Int64? = nil, cost: String? = nil, requests: Int64? = nil) throws -> LLMBudgetLimit {
  LLMBudgetLimit(window: window, tokens: tokens, cost: try cost.map { try DollarAmount($0) }, requests: requests)
}

func settlement(input: Int64 = 100, output: Int64 = 50, outcome: LLMOutcome = .ok) -> Settlement {
  Settlement(
    usage: TokenUsage(input: input, output: output), outcome: outcome, latency: .milliseconds(300), timeToFirstToken: .milliseconds(120))
}

extension Result<Reservation, Refusal> {
  var overrun: Refusal.Overrun? {
    if case .failure(.overBudget(let overrun)) = self { overrun } else { nil }
  }
}

func open(_ folder: String, _ clock: TestClock, prices: PriceTable? = nil) async throws -> Ledger {
  try await Ledger.open(folder: folder, prices: try prices ?? plainPrices(), clock: clock.wall, logger: quiet)
}

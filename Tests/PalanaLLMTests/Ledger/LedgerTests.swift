import PalanaAPI
import PalanaCore
import PalanaLLM
import Testing

@Suite struct LedgerTests {
  @Test func takesBeforeAndCorrectsAfter() async throws {
    try await withFolder { folder in
      let clock = TestClock()
      let ledger = try await open(folder, clock)
      ledger.apply([try budget("b", LLMBudgetSpec(limits: [try limit(.day, tokens: 1000, cost: "0.01", requests: 10)], concurrency: 3))])
      func figures() -> [[Int64]] { ledger.figures().map { [$0.used, $0.reserved, $0.limit] } }

      let reservation = try ledger.reserve(claim(input: 100, output: 50, at: clock.now)).get()
      #expect(reservation.cost.nanoDollars == 200_000)
      #expect(figures() == [[0, 150, 1000], [0, 200_000, 10_000_000], [0, 1, 10], [0, 1, 3]])
      #expect(ledger.openCalls == 1)
      #expect(ledger.settle(reservation, settlement(input: 90, output: 20)).isEmpty)
      #expect(figures() == [[110, 0, 1000], [130_000, 0, 10_000_000], [1, 0, 10], [0, 0, 3]])
      #expect(ledger.openCalls == 0)

      // Once only.
      #expect(ledger.settle(reservation, settlement(input: 900)).isEmpty)
      ledger.release(reservation)
      #expect(figures() == [[110, 0, 1000], [130_000, 0, 10_000_000], [1, 0, 10], [0, 0, 3]])

      let other = try ledger.reserve(claim(at: clock.now)).get()
      ledger.release(other)
      #expect(figures() == [[110, 0, 1000], [130_000, 0, 10_000_000], [1, 0, 10], [0, 0, 3]])

      // More than was reserved is charged too, and a cost that is given counts instead of the price.
      let third = try ledger.reserve(claim(at: clock.now)).get()
      _ = ledger.settle(
        third, Settlement(usage: TokenUsage(input: 900), cost: Cost(nanoDollars: 7), outcome: .error, latency: .seconds(1)))
      #expect(figures().first == [1010, 0, 1000])
      #expect(figures()[1] == [130_007, 0, 10_000_000])
      #expect(ledger.reserve(try claim(input: 1, output: 0, at: clock.now)).overrun?.figures.measure == .tokens)
    }
  }

  @Test func aRefusalSaysWhichLimitAndUntilWhen() async throws {
    try await withFolder { folder in
      let clock = TestClock("2026-11-27T12:00:10.5Z")
      let ledger = try await open(folder, clock)
      ledger.apply([
        try budget("minute", LLMBudgetSpec(limits: [try limit(.minute, requests: 2)])),
        try budget(
          "alice",
          LLMBudgetSpec(
            scope: LLMBudgetScope(owner: try UserIdentity("alice@example.com"), each: .agent), limits: [try limit(.month, tokens: 400)])),
      ])
      let first = try ledger.reserve(claim(at: clock.now)).get()
      _ = ledger.settle(first, settlement(input: 100, output: 40))
      let second = try ledger.reserve(claim(at: clock.now)).get()

      // Both limits are in the way; the month's is longer.
      let overrun = try #require(ledger.reserve(try claim(at: clock.now)).overrun)
      #expect(overrun.figures.budget == "alice")
      #expect(overrun.figures.group == (try caller().id.text))
      #expect([overrun.figures.limit, overrun.figures.used, overrun.figures.reserved, overrun.asked] == [400, 140, 150, 150])
      #expect(overrun.figures.resetsAt == Timestamp(parsing: "2026-12-01T00:00:00Z"))
      #expect(overrun.retryAfterSeconds == 302_390)
      let refusal = Refusal.overBudget(overrun)
      #expect(refusal.reason == "budget_exceeded")
      #expect(
        refusal.description == """
          the budget ‘alice’ for \(try caller().id) of 400 tokens a month is used up, which resets at 2026-12-01T00:00:00.000000Z: \
          140 tokens used, 150 tokens reserved by calls under way, and the request may use 150 tokens
          """)

      let other = try #require(ledger.reserve(try claim("other", at: clock.now)).overrun)
      #expect(other.figures.budget == "minute")
      #expect(other.retryAfterSeconds == 50)

      let huge = try #require(ledger.reserve(try claim(input: 400, output: 1, at: clock.now)).overrun)
      #expect(huge.isTooLarge)
      #expect(huge.retryAfterSeconds == nil)
      #expect(Refusal.overBudget(huge).reason == "request_over_budget")
      #expect(Refusal.overBudget(huge).description.contains("the request may use 401 tokens, more than the whole budget ‘alice’"))
      ledger.release(second)
      #expect(ledger.reserve(try claim(at: clock.now)).overrun == nil)
    }
  }

  @Test func callsAtOnce() async throws {
    try await withFolder { folder in
      let clock = TestClock()
      let ledger = try await open(folder, clock)
      ledger.apply([try budget("two", LLMBudgetSpec(scope: LLMBudgetScope(each: .owner), concurrency: 2))])
      let first = try ledger.reserve(claim("a", at: clock.now)).get()
      let second = try ledger.reserve(claim("b", at: clock.now)).get()
      let overrun = try #require(ledger.reserve(try claim("c", at: clock.now)).overrun)
      #expect(overrun.figures.measure == .concurrency)
      #expect(overrun.figures.group == "alice@example.com")
      #expect(overrun.retryAfterSeconds == nil)
      #expect(Refusal.overBudget(overrun).reason == "too_many_calls")
      #expect(ledger.reserve(try claim("c", owner: "bob@example.com", at: clock.now)).overrun == nil)
      clock.advance(40 * 86_400)
      #expect(ledger.reserve(try claim("c", at: clock.now)).overrun != nil, "no window gives them back")
      _ = ledger.settle(first, settlement())
      #expect(ledger.reserve(try claim("c", at: clock.now)).overrun == nil)
      ledger.release(second)
      #expect(ledger.reserve(try claim("c", at: clock.now)).overrun == nil)
    }
  }

  @Test(arguments: [
    (LLMBudgetScope(), ["demo", "other", "bob/demo", "plain"]),
    (LLMBudgetScope(template: "python"), ["demo", "other", "bob/demo"]),
    (LLMBudgetScope(owner: try UserIdentity("alice@example.com")), ["demo", "other", "plain"]),
    (LLMBudgetScope(owner: try UserIdentity("alice@example.com"), agent: "demo"), ["demo"]),
    (LLMBudgetScope(owner: try UserIdentity("alice@example.com"), template: "python"), ["demo", "other"]),
  ])
  func speaksOf(_ scope: LLMBudgetScope, _ stopped: [String]) async throws {
    try await withFolder { folder in
      let clock = TestClock()
      let ledger = try await open(folder, clock)
      ledger.apply([try budget("none", LLMBudgetSpec(scope: scope, limits: [try limit(.day, requests: 0)]))])
      let claims = [
        ("demo", try claim("demo", at: clock.now)), ("other", try claim("other", at: clock.now)),
        ("bob/demo", try claim("demo", owner: "bob@example.com", at: clock.now)),
        ("plain", try claim("plain", template: nil, at: clock.now)),
      ]
      #expect(claims.filter { ledger.reserve($0.1).overrun != nil }.map(\.0) == stopped)
    }
  }

  @Test func aBudgetOfModels() async throws {
    try await withFolder { folder in
      let clock = TestClock()
      let ledger = try await open(folder, clock)
      ledger.apply([try budget("m", LLMBudgetSpec(models: ["m-1", "n*"], limits: [try limit(.day, requests: 1)]))])
      #expect(ledger.reserve(try claim(model: "m-1", at: clock.now)).overrun == nil)
      #expect(ledger.reserve(try claim(model: "n-9", at: clock.now)).overrun != nil, "they count together")
      #expect(ledger.reserve(try claim(model: "m-2", at: clock.now)).overrun == nil)
      // Names that are made up do not lead out of it, and do not fill the memory.
      for number in 0..<300 {
        if case .success(let taken) = ledger.reserve(try claim(model: "x-\(number)", at: clock.now)) { ledger.release(taken) }
      }
      #expect(ledger.reserve(try claim(model: "n-1000", at: clock.now)).overrun != nil)
      #expect(ledger.reserve(try claim(model: "x-1000", at: clock.now)).overrun != nil, "too many names: every one counts as each")
    }
  }

  @Test func aChargeBelongsToTheWindowOfItsReservation() async throws {
    try await withFolder { folder in
      let clock = TestClock("2026-11-30T23:59:59Z")
      let ledger = try await open(folder, clock)
      ledger.apply([
        try budget(
          "b", LLMBudgetSpec(limits: [try limit(.minute, tokens: 200), try limit(.hour, tokens: 1000), try limit(.month, tokens: 1000)]))
      ])
      func used() -> [Int64] { ledger.figures().map { $0.used + $0.reserved } }
      let old = try ledger.reserve(claim(at: clock.now)).get()
      #expect(used() == [150, 150, 150])
      #expect(ledger.reserve(try claim(at: clock.now)).overrun != nil)
      clock.advance(1)
      #expect(used() == [0, 0, 0])
      let new = try ledger.reserve(claim(at: clock.now)).get()
      _ = ledger.settle(old, settlement(input: 90, output: 9))
      #expect(used() == [150, 150, 150])
      _ = ledger.settle(new, settlement(input: 10, output: 10))
      #expect(used() == [20, 20, 20])
      let rows = try await ledger.usage(LLMUsageQuery(by: .hour))
      #expect(rows.map(\.tokens.total) == [99, 20])
    }
  }

  @Test func aClockThatIsSetBackGivesNothingBack() async throws {
    try await withFolder { folder in
      let clock = TestClock("2026-11-27T12:01:00Z")
      let ledger = try await open(folder, clock)
      ledger.apply([try budget("b", LLMBudgetSpec(limits: [try limit(.minute, requests: 1)]))])
      #expect(ledger.reserve(try claim(at: clock.now)).overrun == nil)
      clock.advance(-30)
      #expect(ledger.reserve(try claim(at: clock.now)).overrun != nil)
      clock.advance(30)
      #expect(ledger.reserve(try claim(at: clock.now)).overrun != nil)
      clock.advance(60)
      #expect(ledger.reserve(try claim(at: clock.now)).overrun == nil)
    }
  }

  @Test func warnsOncePerWindow() async throws {
    try await withFolder { folder in
      let clock = TestClock()
      var ledger = try await open(folder, clock)
      let budgets = [
        try budget("b", LLMBudgetSpec(scope: LLMBudgetScope(each: .agent), limits: [try limit(.day, requests: 10)])),
        try budget("early", LLMBudgetSpec(limits: [try limit(.month, tokens: 1000)], warnAt: 20)),
      ]
      ledger.apply(budgets)
      func call(_ name: String = "demo", tokens: Int64 = 10) throws -> [String] {
        let taken = try ledger.reserve(claim(name, input: tokens, output: 0, at: clock.now)).get()
        return ledger.settle(taken, settlement(input: tokens, output: 0)).map { "\($0.figures.budget) \($0.figures.used)" }
      }
      for _ in 0..<7 { #expect(try call() == []) }
      #expect(try call() == ["b 8"])
      #expect(try call() == [])
      #expect(try call("other", tokens: 110) == ["early 200"])
      #expect(try call("other") == [])
      // Nor after a start.
      ledger = try await reopened(&ledger, folder, clock)
      ledger.apply(budgets)
      #expect(try call("other") == [])
      #expect(try call() == [])
      // A higher limit is far away again, and warns when it comes near.
      ledger.apply([try budget("b", LLMBudgetSpec(scope: LLMBudgetScope(each: .agent), limits: [try limit(.day, requests: 15)]))])
      #expect(try call() == [])
      #expect(try call() == ["b 12"])
      clock.advance(86_400)
      for _ in 0..<11 { #expect(try call() == []) }
      #expect(try call() == ["b 12"])
    }
  }

  private func reopened(_ ledger: inout Ledger, _ folder: String, _ clock: TestClock) async throws -> Ledger {
    let copy = folder + "/next"
    try await ledger.fold()
    try copyFolder(folder, to: copy)
    return try await open(copy, clock)
  }

  @Test func budgetsAreChangedAtAnyTime() async throws {
    try await withFolder { folder in
      let clock = TestClock()
      let ledger = try await open(folder, clock)
      func figures() -> [[Int64]] { ledger.figures().map { [$0.used, $0.reserved] } }
      let early = try ledger.reserve(claim(at: clock.now)).get()
      _ = ledger.settle(try ledger.reserve(claim("other", at: clock.now)).get(), settlement())
      #expect(figures() == [])

      // A new budget knows what was used and what is under way.
      let day = try budget("day", LLMBudgetSpec(limits: [try limit(.day, tokens: 1000)], concurrency: 5))
      ledger.apply([day])
      #expect(figures() == [[150, 150], [0, 1]])
      _ = ledger.settle(early, settlement(input: 1, output: 1))
      #expect(figures() == [[152, 0], [0, 0]])

      // One that is changed or applied again loses nothing.
      ledger.apply([try budget("day", LLMBudgetSpec(limits: [try limit(.day, tokens: 500)])), day])
      #expect(figures() == [[152, 0], [152, 0], [0, 0]])
      #expect(ledger.reserve(try claim(input: 349, output: 0, at: clock.now)).overrun?.figures.limit == 500)
      ledger.apply([])
      #expect(ledger.reserve(try claim(input: 349, output: 0, at: clock.now)).overrun == nil)
    }
  }

  @Test func pricesAreChangedAtAnyTime() async throws {
    try await withFolder { folder in
      let clock = TestClock()
      let ledger = try await open(folder, clock)
      let old = try ledger.reserve(claim(at: clock.now)).get()
      ledger.use(.builtIn)
      let new = try ledger.reserve(claim(at: clock.now)).get()
      #expect(old.isPriceKnown && !new.isPriceKnown)
      #expect(new.cost.nanoDollars == 100 * 18_750 + 50 * 75_000)
      _ = ledger.settle(old, settlement())
      _ = ledger.settle(new, settlement())
      let row = try #require(try await ledger.usage(LLMUsageQuery(by: .model)).first)
      #expect(row.cost.nanoDollars == 200_000 + 100 * 15_000 + 50 * 75_000)
      #expect(!row.isPriceKnown)
    }
  }
}

import PalanaAPI
import PalanaCore
import PalanaLLM
import Testing

/// Many calls at the same moment.
@Suite struct LedgerParallelTests {
  @Test(arguments: [
    (LLMBudgetLimit(window: .day, tokens: 15_000), 100), (LLMBudgetLimit(window: .month, tokens: 15_149), 100),
    (LLMBudgetLimit(window: .minute, cost: DollarAmount(Cost(nanoDollars: 20_000_000))), 100),
    (LLMBudgetLimit(window: .hour, requests: 37), 37),
  ])
  func nobodyOverspendsAndNothingIsLeftOver(_ limit: LLMBudgetLimit, _ expected: Int) async throws {
    try await withFolder { folder in
      let clock = TestClock()
      let ledger = try await open(folder, clock)
      ledger.apply([try budget("b", LLMBudgetSpec(limits: [limit]))])
      let claims = try (0..<4).map { try claim("agent-\($0)", at: clock.now) }
      let taken = await withTaskGroup(of: Reservation?.self) { group -> [Reservation] in
        for number in 0..<250 {
          group.addTask { try? ledger.reserve(claims[number % 4]).get() }
        }
        return await group.reduce(into: []) { taken, reservation in if let reservation { taken.append(reservation) } }
      }
      #expect(taken.count == expected)
      let figures = try #require(ledger.figures().first)
      #expect(figures.used == 0 && figures.reserved <= figures.limit)
      await withTaskGroup(of: Void.self) { group in
        for reservation in taken { group.addTask { _ = ledger.settle(reservation, settlement()) } }
      }
      #expect(ledger.figures().map { [$0.used, $0.reserved] } == [[figures.reserved, 0]])
      #expect(claims.allSatisfy { ledger.reserve($0).overrun != nil })
      let row = try await ledger.usage(LLMUsageQuery(by: .route))
      #expect(row.map(\.calls) == [Int64(expected)])
      #expect(row.map(\.refused) == [Int64(250 - expected + 4)])
    }
  }

  @Test func budgetsAreChangedUnderLoad() async throws {
    try await withFolder { folder in
      let clock = TestClock()
      let ledger = try await open(folder, clock)
      func budgets(_ tokens: Int64) throws -> [LLMBudget] {
        [
          try budget("all", LLMBudgetSpec(limits: [try limit(.day, tokens: tokens)], concurrency: 1000)),
          try budget("each", LLMBudgetSpec(scope: LLMBudgetScope(each: .agent), limits: [try limit(.day, tokens: tokens)])),
        ]
      }
      ledger.apply(try budgets(1_000_000))
      let claims = try (0..<4).map { try claim("agent-\($0)", at: clock.now) }
      let both = [try budgets(1_000_000), try budgets(2_000_000), [try budgets(1_000_000)[0]], []]
      await withTaskGroup(of: Void.self) { group in
        group.addTask {
          for round in 0..<200 {
            ledger.apply(both[round % 4])
            await Task.yield()
          }
        }
        for number in 0..<100 {
          group.addTask {
            for _ in 0..<5 {
              guard let taken = try? ledger.reserve(claims[number % 4]).get() else { continue }
              await Task.yield()
              if number % 5 == 0 { ledger.release(taken) } else { _ = ledger.settle(taken, settlement(input: 10, output: 1)) }
            }
          }
        }
      }
      ledger.apply(try budgets(1_000_000))
      #expect(ledger.openCalls == 0)
      let figures = ledger.figures()
      #expect(figures.allSatisfy { $0.reserved == 0 })
      // 80 tasks of 5 calls settle 11 tokens each.
      #expect(figures.filter { $0.budget == "all" && $0.measure == .tokens }.map(\.used) == [400 * 11])
      #expect(figures.filter { $0.budget == "each" }.map(\.used).reduce(0, +) == 400 * 11)
      let rows = try await ledger.usage(LLMUsageQuery(by: .owner))
      #expect(rows.map(\.tokens.total) == [400 * 11])
    }
  }
}

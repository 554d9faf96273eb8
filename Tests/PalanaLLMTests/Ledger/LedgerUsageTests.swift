import PalanaAPI
import PalanaCore
import PalanaLLM
import Testing

/// What was used, as people ask for it.
@Suite struct LedgerUsageTests {
  /// Two people, three agents, three hours on two days.
  private func used(_ folder: String, _ clock: TestClock) async throws -> Ledger {
    let ledger = try await open(folder, clock)
    for (time, name, owner, model, tokens, outcome) in [
      ("2026-11-26T22:10:00Z", "demo", "alice@example.com", "m-1", 100, LLMOutcome.ok),
      ("2026-11-26T23:59:59Z", "demo", "alice@example.com", "m-2", 10, .error),
      ("2026-11-27T00:00:00Z", "demo", "bob@example.com", "m-1", 1000, .ok),
      ("2026-11-27T00:30:00Z", "other", "alice@example.com", "x", 5, .cancelled),
    ] as [(String, String, String, String, Int64, LLMOutcome)] {
      clock.set(time)
      let taken = try ledger.reserve(claim(name, owner: owner, model: model, input: tokens, output: 0, at: clock.now)).get()
      _ = ledger.settle(taken, settlement(input: tokens, output: 0, outcome: outcome))
    }
    return ledger
  }

  @Test(arguments: [
    (LLMUsageQuery.Grouping.owner, ["bob@example.com 1000", "alice@example.com 115"]), (.agent, ["demo 1000", "demo 110", "other 5"]),
    (.model, ["m-1 1100", "x 5", "m-2 10"]), (.route, ["unified 1115"]), (.template, ["python 1115"]), (.investigation, [" 1115"]),
    (.day, ["2026-11-26 110", "2026-11-27 1005"]),
    (.hour, ["2026-11-26T22:00:00.000000Z 100", "2026-11-26T23:00:00.000000Z 10", "2026-11-27T00:00:00.000000Z 1005"]),
  ])
  func by(_ grouping: LLMUsageQuery.Grouping, _ expected: [String]) async throws {
    try await withFolder { folder in
      let ledger = try await used(folder, TestClock())
      #expect(try await ledger.usage(LLMUsageQuery(by: grouping)).map { "\($0.key) \($0.tokens.total)" } == expected)
    }
  }

  @Test func filtersAndBounds() async throws {
    try await withFolder { folder in
      let clock = TestClock()
      let ledger = try await used(folder, clock)
      func keys(_ change: (inout LLMUsageQuery) throws -> Void) async throws -> [String] {
        var query = LLMUsageQuery(by: .model)
        try change(&query)
        return try await ledger.usage(query).map { "\($0.key) \($0.calls)" }
      }
      #expect(try await keys { $0.owner = try UserIdentity("alice@example.com") } == ["m-1 1", "x 1", "m-2 1"])
      #expect(try await keys { $0.agent = "demo" } == ["m-1 2", "m-2 1"])
      #expect(try await keys { $0.agent = try caller("demo", owner: "bob@example.com").id.text } == ["m-1 1"])
      #expect(try await keys { $0.model = "x" } == ["x 1"])
      #expect(try await keys { $0.route = "none" } == [])
      #expect(try await keys { $0.from = Timestamp(parsing: "2026-11-27T00:20:00Z") } == ["m-1 1", "x 1"])
      #expect(try await keys { $0.to = Timestamp(parsing: "2026-11-26T23:00:00Z") } == ["m-1 1"])
      #expect(try await keys { $0.limit = 1 } == ["m-1 2"])
      for limit in [0, 1001] { await #expect(throws: PalanaError.self) { try await keys { $0.limit = limit } } }

      let row = try #require(try await ledger.usage(LLMUsageQuery(by: .route)).first)
      #expect([row.calls, row.errors, row.refused, row.interrupted] == [4, 1, 0, 0])
      #expect(!row.isPriceKnown, "x is not in the table")
      #expect(row.latency.count == 4 && row.latency.meanMs == 300 && row.timeToFirstToken.maxMicroseconds == 120_000)

      let calls = try await ledger.newestCalls(owner: try UserIdentity("alice@example.com"), limit: 2)
      #expect(calls.map(\.model) == ["x", "m-2"])
      #expect(calls.map(\.outcome) == [.cancelled, .error])
      #expect(calls.map(\.latencyMs) == [300, 300])
      await #expect(throws: PalanaError.self) { try await ledger.newestCalls(limit: 0) }
    }
  }

  @Test func theServiceFoldsAndKeepsWhatIsYoungEnough() async throws {
    try await withFolder { folder in
      let clock = TestClock()
      _ = try await used(folder + "/old", clock).usage(LLMUsageQuery(by: .day))
      try copyFolder(folder + "/old", to: folder + "/new")
      clock.set("2026-11-27T12:00:00Z")
      let ledger = try await Ledger.open(
        folder: folder + "/new", prices: try plainPrices(), retention: .seconds(12 * 3600), clock: clock.wall, logger: quiet)
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await ledger.run() }
        while try await ledger.usage(LLMUsageQuery(by: .day)).count > 1 { await Task.yield() }
        _ = ledger.settle(try ledger.reserve(claim(at: clock.now)).get(), settlement())
        // What it does not take any more waits in the journal.
        group.cancelAll()
        try await group.waitForAll()
      }
      #expect(try await ledger.usage(LLMUsageQuery(by: .day)).map(\.calls) == [3])
    }
  }
}

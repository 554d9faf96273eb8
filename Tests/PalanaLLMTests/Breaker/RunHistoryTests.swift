import PalanaAPI
import PalanaCore
import PalanaStore
import Testing

@testable import PalanaLLM

/// What good runs say of those that come.
@Suite struct RunHistoryTests {
  private static let owner = "alice@example.com"

  private func run(_ calls: Int, _ tier: String = "simple") throws -> LLMGoodRun {
    let owner = try UserIdentity(Self.owner)
    return LLMGoodRun(
      agent: AgentID(owner: owner, name: try ResourceName("demo")), owner: owner, tier: tier, calls: calls, time: Timestamp(seconds: 1))
  }

  static let rows: [([Int], Int?)] = [
    ([], nil), (Array(repeating: 2, count: 19), nil), (Array(repeating: 2, count: 20), 4),
    // Of 20 the 19th counts, of 100 the 95th, of 21 the 20th.
    (Array(1...20), 38), (Array(1...100), 190), (Array(1...21), 40), (Array(repeating: 1, count: 19) + [50], 2),
    (Array(repeating: 1, count: 18) + [50, 50], 100), (Array(repeating: .max, count: 20), nil),
    // Only the last 200 count.
    (Array(repeating: 9, count: 500) + Array(repeating: 3, count: 200), 6),
  ]

  @Test(arguments: rows) func bound(_ calls: [Int], _ expected: Int?) throws {
    let key = RunHistory.Key(owner: try UserIdentity(Self.owner), tier: .simple)
    #expect(RunHistory(try calls.map { try run($0) }).bound(key) == expected)
    #expect(RunHistory(try calls.map { try run($0, "complex") }).bound(key) == nil)
    #expect(RunHistory(try calls.map { try run($0, "a tier of tomorrow") }).bound(key) == nil)
  }

  @Test func theStoreKeepsTheNewest() async throws {
    try await withFolder { folder in
      let store = try await LLMStore.open(path: folder + "/llm.db")
      for part in stride(from: 0, to: 250, by: 50) {
        var changes = LLMRunChanges()
        changes.good = try (part..<part + 50).map { try run($0) } + [try run(part, "complex")]
        try await store.write(changes)
      }
      let kept = try await store.goodRuns()
      #expect(kept.filter { $0.tier == "simple" }.map(\.calls) == Array(50..<250))
      #expect(kept.filter { $0.tier == "complex" }.count == 5)
    }
  }
}

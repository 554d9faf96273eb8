import Foundation
import PalanaAPI
import PalanaCore
import PalanaLLM
import Testing

/// A disk that is really full.
@Suite struct LedgerFullDiskTests {
  @Test(.enabled(if: SmallDisk.canBeMounted)) func nothingGoesOutThatIsNotWrittenDown() async throws {
    try await withFolder { folder in
      let disk = folder + "/journal"
      try await SmallDisk.run(at: disk) {
        let clock = TestClock()
        let ledger = try await open(folder, clock)
        ledger.apply([try budget("b", LLMBudgetSpec(limits: [try limit(.day, tokens: 1_000_000)], concurrency: 100_000))])
        var calls: Int64 = 0
        var refused: Int64 = 0
        // Twice: the disk fills, the database catches up, and calls go out again.
        for round in 0..<2 {
          var taken: [Reservation] = []
          for _ in 0..<500 {
            switch ledger.reserve(try claim(at: clock.now)) {
            case .success(let reservation): taken.append(reservation)
            case .failure(let refusal):
              #expect(refusal.reason == "ledger_unavailable")
              refused += 1
            }
          }
          #expect(!taken.isEmpty && refused > 0, "round \(round)")
          calls += Int64(taken.count)
          #expect(ledger.figures().map(\.reserved) == [Int64(taken.count) * 150, Int64(taken.count)])
          // What was used is known, even if it cannot be written down yet.
          for reservation in taken { _ = ledger.settle(reservation, settlement(input: 20, output: 10)) }
          #expect(ledger.figures().map { [$0.used, $0.reserved] } == [[calls * 30, 0], [0, 0]])
          for _ in 0..<10 { try await ledger.fold() }
        }
        let row = try #require(try await ledger.usage(LLMUsageQuery(by: .agent)).first)
        #expect([row.calls, row.refused, row.tokens.total, row.interrupted] == [calls, refused, calls * 30, 0])
      }
    }
  }
}

import Foundation
import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaLLM
import Testing

/// The daemon dies: what a start makes of what is left.
@Suite struct LedgerCrashTests {
  private static let budgets: @Sendable () throws -> [LLMBudget] = {
    [try budget("b", LLMBudgetSpec(limits: [try limit(.minute, tokens: 10_000), try limit(.month, tokens: 10_000)], concurrency: 4))]
  }

  /// What the lines of a journal say, one after the other: how many tokens are charged after each, when the daemon dies then.
  private struct Written {
    var journal: [UInt8]
    var name: String
    /// Tokens that are charged if so many lines are whole.
    var charged: [Int64]
  }

  private func write(_ folder: String, _ clock: TestClock) async throws -> Written {
    let ledger = try await open(folder, clock)
    ledger.apply(try Self.budgets())
    var charged: [Int64] = [0]
    func reserve(_ tokens: Int64) throws -> Reservation {
      let taken = try ledger.reserve(claim(input: tokens, output: 0, at: clock.now)).get()
      charged.append((charged.last ?? 0) + tokens)
      return taken
    }
    func settle(_ taken: Reservation, _ tokens: Int64) {
      _ = ledger.settle(taken, settlement(input: tokens, output: 0))
      charged.append((charged.last ?? 0) - taken.input + tokens)
    }
    let first = try reserve(100)
    settle(first, 70)
    let second = try reserve(200)
    let third = try reserve(300)
    ledger.release(second)
    charged.append((charged.last ?? 0) - 200)
    settle(third, 310)
    _ = try reserve(400)
    let file = try #require(try journalFiles(folder).last)
    let bytes = [UInt8](try #require(FileManager.default.contents(atPath: file)))
    #expect(bytes.count { $0 == 10 } == charged.count - 1)
    return Written(journal: bytes, name: URL(fileURLWithPath: file).lastPathComponent, charged: charged)
  }

  /// Opens what a journal leaves, and says how many tokens are charged in this minute and this month, and how many calls are under way.
  private func charged(_ journal: [UInt8], _ name: String, _ clock: TestClock) async throws -> [Int64] {
    try await withFolder { folder in
      try FileManager.default.createDirectory(atPath: folder + "/journal", withIntermediateDirectories: true)
      try Data(journal).write(to: URL(fileURLWithPath: folder + "/journal/" + name))
      let ledger = try await open(folder, clock)
      ledger.apply(try Self.budgets())
      guard try await !ledger.usage(LLMUsageQuery(by: .route)).isEmpty else { return [0, 0, 0] }
      return ledger.figures().map { $0.used + $0.reserved }
    }
  }

  @Test func whereverTheJournalEnds() async throws {
    try await withFolder { folder in
      let clock = TestClock()
      let written = try await write(folder, clock)
      var lines = 0
      for (index, byte) in written.journal.enumerated() {
        let isNear = byte == 10 || index == 0 || written.journal[index - 1] == 10 || index % 97 == 0
        if isNear {
          let expected = written.charged[lines]
          #expect(
            try await charged(Array(written.journal.prefix(index)), written.name, clock) == [expected, expected, 0], "cut at \(index)")
        }
        if byte == 10 { lines += 1 }
      }
      let last = try #require(written.charged.last)
      #expect(try await charged(written.journal, written.name, clock) == [last, last, 0])
    }
  }

  @Test func whatIsDamagedIsNeverChargedLess() async throws {
    try await withFolder { folder in
      let clock = TestClock()
      let written = try await write(folder, clock)
      let lines = written.journal.split(separator: 10).map(Array.init)
      for damaged in lines.indices {
        // The checksum itself, so that the rest can still be read.
        var journal = lines
        journal[damaged][3] ^= 1
        let bytes: [UInt8] = journal.flatMap { $0 + [10] }
        // Settlements and what is given back do not count; reservations do.
        let expected: Int64 =
          switch damaged {
          case 1: 70 + 310 + 400 + 30
          case 4: 70 + 310 + 400 + 200
          case 5: 70 + 300 + 400
          default: 70 + 310 + 400
          }
        #expect(try await charged(bytes, written.name, clock) == [expected, expected, 0], "line \(damaged)")
        // Nothing of the line can be read: of a reservation without a settlement nobody knows any more.
        journal[damaged] = Array("rubbish".utf8)
        let rest = damaged == 6 ? expected - 400 : expected
        let others: [UInt8] = journal.flatMap { $0 + [10] }
        #expect(try await charged(others, written.name, clock) == [rest, rest, 0], "line \(damaged) as rubbish")
      }
    }
  }

  @Test func nothingIsChargedTwice() async throws {
    try await withFolder { folder in
      let clock = TestClock()
      let ledger = try await open(folder, clock)
      ledger.apply(try Self.budgets())
      _ = ledger.settle(try ledger.reserve(claim(input: 10, output: 0, at: clock.now)).get(), settlement(input: 10, output: 0))
      let early = try ledger.reserve(claim(input: 100, output: 0, at: clock.now)).get()
      let open100 = try ledger.reserve(claim(input: 1000, output: 0, at: clock.now)).get()
      // Three moments of a turn: nothing folded; folded, and the file still there; folded, and more was written.
      try copyFolder(folder, to: folder + "/a")
      try await ledger.fold()
      try copyFolder(folder, to: folder + "/b")
      _ = ledger.settle(early, settlement(input: 90, output: 0))
      try copyFolder(folder, to: folder + "/c")
      try await ledger.fold()
      try await ledger.fold()
      try copyFolder(folder, to: folder + "/d")
      for (copy, expected) in [("a", 1110), ("b", 1110), ("c", 1100), ("d", 1100)] as [(String, Int64)] {
        // And again after the start: what was interrupted is charged once, whoever dies next.
        for round in 0..<3 {
          let next = try await open(folder + "/" + copy, clock)
          next.apply(try Self.budgets())
          #expect(try await next.usage(LLMUsageQuery(by: .agent)).map(\.tokens.total) == [expected], "\(copy) \(round)")
          #expect(next.figures().map { $0.used + $0.reserved } == [expected, expected, 0])
          let row = try #require(try await next.usage(LLMUsageQuery(by: .agent)).first)
          #expect([row.calls, row.interrupted] == [3, copy < "c" ? 2 : 1])
        }
      }
      _ = open100
    }
  }

  /// A file that the crash left after its lines were taken, and one that was removed.
  @Test func positionsOfFilesAreKeptAndForgotten() async throws {
    try await withFolder { folder in
      let clock = TestClock()
      func use(_ tokens: Int64) async throws {
        let ledger = try await Ledger.open(
          folder: folder, prices: try plainPrices(), limits: .init(segmentBytes: 1000, backlogBytes: 1 << 20), clock: clock.wall,
          logger: quiet)
        for _ in 0..<10 {
          _ = ledger.settle(try ledger.reserve(claim(input: tokens, output: 0, at: clock.now)).get(), settlement(input: tokens, output: 0))
        }
        #expect(try journalFiles(folder).count > 2)
        try await ledger.fold()
        #expect(try journalFiles(folder).count <= 1)
      }
      try await use(1)
      try await use(10)
      let ledger = try await open(folder, clock)
      #expect(try journalFiles(folder).isEmpty)
      #expect(try await ledger.usage(LLMUsageQuery(by: .agent)).map(\.tokens.total) == [110])
    }
  }

  @Test func countsGoOnAfterAStart() async throws {
    try await withFolder { folder in
      let clock = TestClock("2026-11-01T00:00:00Z")
      let budgets = [
        try budget(
          "b",
          LLMBudgetSpec(
            scope: LLMBudgetScope(each: .agent),
            limits: try LLMWindow.allCases.map { try limit($0, tokens: 1_000_000, cost: "100", requests: 1000) }))
      ]
      var before: [BudgetFigures] = []
      for time in [
        "2026-11-01T00:00:00Z", "2026-11-15T10:59:59Z", "2026-11-27T00:00:00Z", "2026-11-27T12:00:00Z", "2026-11-27T12:30:00Z",
        "2026-11-27T12:30:59.9Z",
      ] {
        clock.set(time)
        let ledger = try await open(folder, clock)
        ledger.apply(budgets)
        #expect(before.isEmpty || ledger.figures().map(\.measure).count == before.count)
        for (name, model) in [("demo", "m-1"), ("demo", "m-2"), ("other", "m-1")] {
          _ = ledger.settle(try ledger.reserve(claim(name, model: model, at: clock.now)).get(), settlement(input: 7, output: 3))
        }
        before = ledger.figures()
      }
      let ledger = try await open(folder, clock)
      ledger.apply(budgets)
      func sorted(_ figures: [BudgetFigures]) -> [String] {
        figures.map { "\($0.group) \($0.window?.rawValue ?? "") \($0.measure) \($0.used)" }.sorted()
      }
      #expect(sorted(ledger.figures()) == sorted(before))
      let demo = ledger.figures().filter { $0.group == (try? caller("demo").id.text) && $0.measure == .tokens }
      #expect(Dictionary(uniqueKeysWithValues: demo.map { ($0.window, $0.used) }) == [.minute: 40, .hour: 60, .day: 80, .month: 120])
    }
  }

  @Test func oneDaemonAtATime() async throws {
    try await withFolder { folder in
      let clock = TestClock()
      let ledger = try await open(folder, clock)
      let error = await #expect(throws: PalanaError.self) { try await open(folder, clock) }
      #expect(error?.code == .conflict)
      #expect(ledger.openCalls == 0)
    }
  }
}

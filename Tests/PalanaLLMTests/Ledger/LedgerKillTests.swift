import Foundation
import PalanaAPI
import PalanaCore
import PalanaLLM
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// What was acknowledged survives SIGKILL. The parent starts this very test program again as a child that only calls, reads its
/// acknowledgements from a pipe, kills it in full run and looks at what is there.
@Suite struct LedgerKillTests {
  private static let folderVariable = "PALANA_LEDGER_KILL_CHILD"

  /// Runs the child until it has acknowledged `count` times; returns every whole acknowledgement.
  private func acknowledgements(in folder: String, atLeast count: Int) async throws -> [String] {
    let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return try await withCheckedThrowingContinuation { continuation in
      DispatchQueue.global().async {
        continuation.resume(
          with: Result {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: program)
            process.arguments = ["--filter", "LedgerKillChild", "--testing-library", "swift-testing"]
            process.environment = ProcessInfo.processInfo.environment.merging([Self.folderVariable: folder]) { $1 }
            let output = Pipe()
            process.standardOutput = output
            try process.run()
            var bytes = Data()
            var lines = 0
            while lines < count {
              let part = output.fileHandleForReading.availableData
              if part.isEmpty { break }
              lines += part.count { $0 == 10 }
              bytes += part
            }
            kill(process.processIdentifier, SIGKILL)
            bytes += output.fileHandleForReading.readDataToEndOfFile()
            process.waitUntilExit()
            let whole = bytes.split(separator: 10, omittingEmptySubsequences: false).dropLast()
            return whole.map { String(decoding: $0, as: UTF8.self) }.filter { $0.hasPrefix("ACK ") }.map { String($0.dropFirst(4)) }
          })
      }
    }
  }

  @Test(.enabled(if: FileManager.default.fileExists(atPath: "/proc/self/exe")))
  func noBudgetLeaks() async throws {
    try await withFolder { folder in
      let acknowledged = try await acknowledgements(in: folder, atLeast: 900)
      let reserved = Set(acknowledged.filter { $0.hasPrefix("R ") }.map { String($0.dropFirst(2)) })
      let settled = Set(acknowledged.filter { $0.hasPrefix("S ") }.map { String($0.dropFirst(2)) })
      #expect(reserved.count > 100 && settled.count > 100)
      let ledger = try await Ledger.open(folder: folder, prices: try plainPrices(), logger: quiet)
      ledger.apply([try budget("b", LLMBudgetSpec(limits: [try limit(.month, tokens: 1_000_000_000)], concurrency: 100))])

      let calls = try await ledger.newestCalls(limit: 1000)
      let names = calls.map { $0.investigation ?? "" }
      #expect(Set(names).count == names.count, "no call twice")
      #expect(calls.count < 1000, "all of them are seen")
      #expect(reserved.subtracting(names).isEmpty, "no call lost")
      for call in calls {
        if settled.contains(call.investigation ?? "") { #expect(call.outcome == .ok && call.tokens.total == 30) }
        if call.outcome == .interrupted { #expect(call.tokens.total == 150 && call.cost.nanoDollars == 200_000) }
      }
      #expect(calls.contains { $0.outcome == .interrupted })
      let figures = ledger.figures()
      #expect(figures.first { $0.measure == .concurrency }?.reserved == 0)
      let tokens = calls.reduce(0) { $0 + $1.tokens.total }
      #expect(figures.first { $0.measure == .tokens }?.used == tokens)
    }
  }

  /// The child; without the variable it is not run.
  @Suite(.enabled(if: ProcessInfo.processInfo.environment["PALANA_LEDGER_KILL_CHILD"] != nil)) struct LedgerKillChild {
    @Test func calls() async throws {
      let folder = ProcessInfo.processInfo.environment["PALANA_LEDGER_KILL_CHILD"] ?? ""
      let ledger = try await Ledger.open(folder: folder, prices: try plainPrices(), logger: quiet)
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await ledger.run() }
        for task in 0..<4 {
          group.addTask {
            var under: [(String, Reservation)] = []
            for number in 0..<200 {
              var claim = try claim("agent-\(task)", at: WallClock.system.now())
              claim.investigation = "\(task)-\(number)"
              under.append(("\(task)-\(number)", try ledger.reserve(claim).get()))
              Self.acknowledge("R \(task)-\(number)")
              // Some are always under way.
              guard under.count > 3 else { continue }
              let (name, reservation) = under.removeFirst()
              _ = ledger.settle(reservation, settlement(input: 20, output: 10))
              Self.acknowledge("S \(name)")
            }
            // Until it is killed.
            while true { try await Task.sleep(for: .seconds(60)) }
          }
        }
        try await group.waitForAll()
      }
    }

    private static func acknowledge(_ text: String) { FileHandle.standardOutput.write(Data("\nACK \(text)\n".utf8)) }
  }
}

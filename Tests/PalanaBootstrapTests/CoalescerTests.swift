import PalanaCore
import Synchronization
import Testing

@testable import PalanaBootstrap

@Suite struct CoalescerTests {
  final class Work: Sendable {
    private let state = Mutex((runs: 0, inside: 0, overlapped: false, fails: false))

    func run() async throws(PalanaError) {
      let fails = state.withLock { state in
        state.runs += 1
        state.inside += 1
        if state.inside > 1 { state.overlapped = true }
        return state.fails
      }
      await Task.yield()
      state.withLock { $0.inside -= 1 }
      if fails { throw PalanaError(.failed, "asked to fail") }
    }

    func fail(_ fails: Bool) { state.withLock { $0.fails = fails } }
    var runs: Int { state.withLock { $0.runs } }
    var overlapped: Bool { state.withLock { $0.overlapped } }
  }

  @Test func manyCallersShareRunsThatNeverOverlap() async throws {
    let work = Work()
    let coalescer = Coalescer<PalanaError> { () async throws(PalanaError) in try await work.run() }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<200 { group.addTask { try await coalescer.run() } }
      try await group.waitForAll()
    }
    #expect(!work.overlapped)
    #expect((1...200).contains(work.runs))
    let before = work.runs
    try await coalescer.run()
    #expect(work.runs == before + 1, "a call after a run gets a new one")
  }

  @Test func aFailureIsReportedAndTheNextCallTriesAgain() async throws {
    let work = Work()
    work.fail(true)
    let coalescer = Coalescer<PalanaError> { () async throws(PalanaError) in try await work.run() }
    await #expect(throws: PalanaError.self) { try await coalescer.run() }
    work.fail(false)
    try await coalescer.run()
  }
}

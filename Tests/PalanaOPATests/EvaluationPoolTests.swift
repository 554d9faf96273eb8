import Dispatch
import Synchronization
import Testing

@testable import PalanaOPA

@Suite struct EvaluationPoolTests {
  private func name<Value>(_ outcome: EvaluationPool.Outcome<Value>) -> String {
    switch outcome {
    case .done: "done"
    case .full: "full"
    case .timedOut: "timedOut"
    case .closed: "closed"
    }
  }

  /// One thread hangs, one question waits: the third is refused, the first two time out, and later all is well again.
  @Test func hangingWorkIsBounded() async throws {
    let pool = EvaluationPool(threads: 1, queue: 1)
    let started = AsyncStream<Void>.makeStream()
    let release = DispatchSemaphore(value: 0)
    let ran = Mutex(false)
    await withTaskGroup(of: String.self) { group in
      group.addTask {
        let outcome = await pool.run(timeout: .milliseconds(50)) {
          started.continuation.yield()
          release.wait()
        }
        return "first " + name(outcome)
      }
      var iterator = started.stream.makeAsyncIterator()
      _ = await iterator.next()
      #expect(name(await pool.run(timeout: .milliseconds(20)) { ran.withLock { $0 = true } }) == "timedOut")
      // Both still count, although nobody waits for them.
      #expect(name(await pool.run(timeout: .seconds(5)) {}) == "full")
      #expect(await group.next() == "first timedOut")
    }
    release.signal()
    var outcome = "full"
    while outcome == "full" { outcome = name(await pool.run(timeout: .seconds(20)) {}) }
    #expect(outcome == "done")
    #expect(!ran.withLock { $0 }, "work that nobody waits for is not done")
    await pool.close()
    #expect(name(await pool.run(timeout: .seconds(5)) {}) == "closed")
  }
}

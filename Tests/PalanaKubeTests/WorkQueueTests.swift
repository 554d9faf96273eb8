import Synchronization
import Testing

@testable import PalanaKube

@Suite(.timeLimit(.minutes(5))) struct WorkQueueTests {
  /// What ran, and how many of one key ran at the same time.
  private final class Ran: Sendable {
    private let state = Mutex<[String]>([])
    private let running = Mutex<(now: Int, most: Int)>((0, 0))
    var keys: [String] { state.withLock { $0 } }
    var most: Int { running.withLock { $0.most } }

    /// - Returns: how often the key ran, this time included.
    func append(_ key: String) -> Int {
      state.withLock { keys in
        keys.append(key)
        return keys.count { $0 == key }
      }
    }

    func change(by count: Int) {
      running.withLock {
        $0.now += count
        $0.most = max($0.most, $0.now)
      }
    }
  }

  /// Runs a queue until `until` holds for the keys that ran.
  private func run(
    workers: Int = 2, add: @escaping @Sendable (WorkQueue<String>) async -> Void,
    body: @escaping @Sendable (String, Int) async -> WorkQueue<String>.Outcome, until: @escaping @Sendable ([String]) -> Bool
  ) async -> [String] {
    let queue = WorkQueue<String>()
    let ran = Ran()
    let (stream, step) = AsyncStream.makeStream(of: Void.self)
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        await queue.run(workers: workers) { key in
          let number = ran.append(key)
          let outcome = await body(key, number)
          step.yield()
          return outcome
        }
      }
      group.addTask { await add(queue) }
      group.addTask { for await _ in stream where until(ran.keys) { return } }
      // The adder ends, then the one that waits for the condition.
      await group.next()
      await group.next()
      group.cancelAll()
    }
    return ran.keys
  }

  @Test func everyKeyRuns() async {
    let keys = (0..<100).map(String.init)
    let ran = await run(workers: 4) { queue in
      for key in keys { await queue.add(key) }
    } body: { _, _ in
      .done
    } until: {
      $0.count == 100
    }
    #expect(Set(ran) == Set(keys))
  }

  @Test func aFailureComesAgain() async {
    let ran = await run {
      await $0.add("a")
    } body: { _, number in
      number < 3 ? .failed(pause: .milliseconds(1)) : .done
    } until: {
      $0.count == 3
    }
    #expect(ran == ["a", "a", "a"])
  }

  @Test func laterMeansLaterAndTheEarlierAlarmCounts() async {
    let ran = await run { queue in
      await queue.add("late", after: .milliseconds(200))
      await queue.add("early", after: .milliseconds(20))
    } body: { _, _ in
      .done
    } until: {
      $0.count == 2
    }
    #expect(ran == ["early", "late"])
  }

  @Test func againAfterSuccess() async {
    let ran = await run {
      await $0.add("a")
    } body: { _, number in
      number < 3 ? .again(after: .milliseconds(1)) : .done
    } until: {
      $0.count == 3
    }
    #expect(ran.count == 3)
  }

  @Test func neverTwiceAtOnce() async {
    let running = Ran()
    _ = await run(workers: 4) { queue in
      for _ in 0..<50 {
        await queue.add("a")
        await Task.yield()
      }
      await queue.add("end", after: .milliseconds(50))
    } body: { key, _ in
      guard key == "a" else { return .done }
      running.change(by: 1)
      await Task.yield()
      running.change(by: -1)
      return .done
    } until: {
      $0.contains("end")
    }
    #expect(running.most == 1)
  }

  @Test func itEndsWhenItIsCancelled() async {
    let queue = WorkQueue<String>()
    await queue.add("later", after: .seconds(3600))
    let task = Task { await queue.run(workers: 3) { _ in .done } }
    task.cancel()
    await task.value
  }
}

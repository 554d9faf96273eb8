/// Runs work on keys, several at a time, never two on the same key.
package actor WorkQueue<Key: Hashable & Sendable> {
  package enum Outcome: Sendable {
    case done
    /// Look again then.
    case again(after: Duration)
    /// It failed: again, after a pause that grows. `pause`: what the other side asked for.
    case failed(pause: Duration?)
  }

  private var state: WorkState<Key>
  private var workers: [UInt64: CheckedContinuation<Key?, Never>] = [:]
  private var nextWorker: UInt64 = 0
  private let alarm: AsyncStream<ContinuousClock.Instant>.Continuation
  /// Moments at which somebody has to look whether something is due. Each is earlier than those before it that are still to come, so
  /// that there are few.
  private let alarms: AsyncStream<ContinuousClock.Instant>
  private var nextAlarm: ContinuousClock.Instant?

  package init() {
    state = WorkState()
    (alarms, alarm) = AsyncStream.makeStream()
  }

  /// Keys that wait.
  package var depth: Int { state.depth }

  package func add(_ key: Key) {
    state.add(key)
    serve()
  }

  package func add(_ key: Key, after pause: Duration) {
    state.add(key, at: .now + pause)
    setAlarm()
  }

  /// Runs until it is cancelled.
  package func run(workers count: Int, _ body: @escaping @Sendable (Key) async -> Outcome) async {
    await withDiscardingTaskGroup { group in
      group.addTask { await self.keepTime() }
      for _ in 0..<max(1, count) {
        group.addTask {
          while let key = await self.next() { await self.finish(key, await body(key)) }
        }
      }
    }
  }

  private func finish(_ key: Key, _ outcome: Outcome) {
    switch outcome {
    case .done: state.succeeded(key)
    case .again(let pause):
      state.succeeded(key)
      state.add(key, at: .now + pause)
    case .failed(let pause): state.failed(key, pause: pause, now: .now)
    }
    setAlarm()
    serve()
  }

  private func next() async -> Key? {
    if Task.isCancelled { return nil }
    if let key = state.take() { return key }
    let worker = nextWorker
    nextWorker += 1
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        if Task.isCancelled { return continuation.resume(returning: nil) }
        workers[worker] = continuation
      }
    } onCancel: {
      // The actor is where the continuation is; it outlives the task by this hop.
      Task { await self.dismiss(worker) }
    }
  }

  private func dismiss(_ worker: UInt64) { workers.removeValue(forKey: worker)?.resume(returning: nil) }

  /// Gives what waits to those who wait for it.
  private func serve() {
    while state.depth > 0, let worker = workers.keys.min(), let key = state.take() {
      workers.removeValue(forKey: worker)?.resume(returning: key)
    }
  }

  private func setAlarm() {
    guard let due = state.nextDue, nextAlarm.map({ due < $0 }) ?? true else { return }
    nextAlarm = due
    alarm.yield(due)
  }

  private func keepTime() async {
    await withDiscardingTaskGroup { group in
      for await due in alarms {
        group.addTask {
          guard (try? await Task.sleep(until: due, clock: .continuous)) != nil else { return }
          await self.rang()
        }
      }
    }
  }

  private func rang() {
    nextAlarm = nil
    state.advance(to: .now)
    serve()
    setAlarm()
  }
}

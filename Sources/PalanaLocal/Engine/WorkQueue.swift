/// Keys that need attention, as controllers queue them: a key waits at most once, is worked on by one worker at a time, and comes
/// back if it was added again meanwhile. Bounded by the number of keys.
package actor WorkQueue<Key: Hashable & Sendable> {
  private var waiting: [Key] = []
  private var dirty: Set<Key> = []
  private var active: Set<Key> = []
  private var delayed: [Key: ContinuousClock.Instant] = [:]
  private var workers: [CheckedContinuation<Key?, Never>] = []
  private var timer: CheckedContinuation<Void, Never>?
  private var isShut = false

  package init() {}

  /// Asks for `key` to be worked on soon. Takes the place of a later date given by ``add(_:after:)``.
  package func add(_ key: Key) {
    guard !isShut else { return }
    delayed[key] = nil
    guard dirty.insert(key).inserted, !active.contains(key) else { return }
    offer(key)
  }

  /// Asks for `key` to be worked on after `delay`; the earlier of two dates holds.
  package func add(_ key: Key, after delay: Duration) {
    guard !isShut, !dirty.contains(key) else { return }
    let date = ContinuousClock.now + delay
    if let known = delayed[key], known <= date { return }
    delayed[key] = date
    wakeTimer()
  }

  /// The next key; suspends until there is one. Nil after ``shutDown()``. The caller must call ``finish(_:)``.
  package func next() async -> Key? {
    if isShut { return nil }
    if !waiting.isEmpty { return take(waiting.removeFirst()) }
    return await withCheckedContinuation { workers.append($0) }
  }

  /// Says that the work on `key` is over.
  package func finish(_ key: Key) {
    active.remove(key)
    if dirty.contains(key) { offer(key) }
  }

  /// Ends every wait; later additions are ignored.
  package func shutDown() {
    isShut = true
    waiting.removeAll()
    delayed.removeAll()
    for worker in workers { worker.resume(returning: nil) }
    workers.removeAll()
    wakeTimer()
  }

  /// Moves keys whose date has come to the queue. Runs until ``shutDown()`` or cancellation.
  package func runTimer() async {
    while !isShut, !Task.isCancelled {
      let now = ContinuousClock.now
      for (key, _) in delayed.filter({ $0.value <= now }).sorted(by: { $0.value < $1.value }) { add(key) }
      if let next = delayed.values.min() {
        await sleep(until: next)
      } else {
        await withCheckedContinuation { timer = $0 }
      }
    }
  }

  private func sleep(until date: ContinuousClock.Instant) async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { try? await Task.sleep(until: date, clock: .continuous) }
      group.addTask { await self.waitForTimerChange() }
      await group.next()
      group.cancelAll()
      wakeTimer()
    }
  }

  private func waitForTimerChange() async {
    if isShut || Task.isCancelled { return }
    await withCheckedContinuation { timer = $0 }
  }

  private func wakeTimer() {
    timer?.resume()
    timer = nil
  }

  private func offer(_ key: Key) {
    if let worker = workers.popLast() {
      worker.resume(returning: take(key))
    } else {
      waiting.append(key)
    }
  }

  private func take(_ key: Key) -> Key {
    dirty.remove(key)
    active.insert(key)
    return key
  }
}

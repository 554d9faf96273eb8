import Synchronization

/// Hands every change to every watcher, each with its own bounded queue: a slow watcher costs the others nothing.
package final class WatchHub: Sendable {
  private struct WeakWatcher: Sendable {
    weak let watcher: Watcher?
  }

  private let watchers = Mutex<[WeakWatcher]>([])

  package init() {}

  /// A stream that lives as long as somebody holds it.
  package func subscribe(limit: Int) -> AsyncStream<StoreChange> {
    let watcher = Watcher(limit: limit)
    watchers.withLock { watchers in
      watchers.removeAll { $0.watcher == nil }
      watchers.append(WeakWatcher(watcher: watcher))
    }
    return AsyncStream(unfolding: { await watcher.next() }, onCancel: { watcher.finish() })
  }

  package func publish(_ change: StoreChange) {
    for entry in watchers.withLock({ $0 }) { entry.watcher?.offer(change) }
  }

  package func finish() {
    for entry in watchers.withLock({ $0 }) { entry.watcher?.finish() }
  }
}

/// The queue of one watcher. When it is full, everything in it becomes one `.resync`.
final class Watcher: Sendable {
  private struct State {
    var queue: [StoreChange] = []
    var waiter: CheckedContinuation<StoreChange?, Never>?
    var isFinished = false
  }

  private let limit: Int
  private let state = Mutex(State())

  init(limit: Int) { self.limit = max(1, limit) }

  func offer(_ change: StoreChange) {
    let waiter = state.withLock { state -> CheckedContinuation<StoreChange?, Never>? in
      guard !state.isFinished else { return nil }
      if let waiter = state.waiter {
        state.waiter = nil
        return waiter
      }
      if state.queue.count >= limit {
        // Listing again shows everything that the queue held, so nothing is lost but the order of steps.
        state.queue = [
          StoreChange(event: .resync, kind: "", owner: nil, name: nil, resourceVersion: change.resourceVersion)
        ]
      } else {
        state.queue.append(change)
      }
      return nil
    }
    waiter?.resume(returning: change)
  }

  /// The next change; nil when the watch has ended.
  func next() async -> StoreChange? {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let answer = state.withLock { state -> StoreChange?? in
          if !state.queue.isEmpty, !state.isFinished { return .some(state.queue.removeFirst()) }
          if state.isFinished || Task.isCancelled { return .some(nil) }
          state.waiter = continuation
          return nil
        }
        if let answer { continuation.resume(returning: answer) }
      }
    } onCancel: {
      finish()
    }
  }

  func finish() {
    let waiter = state.withLock { state in
      state.isFinished = true
      state.queue = []
      defer { state.waiter = nil }
      return state.waiter
    }
    waiter?.resume(returning: nil)
  }
}

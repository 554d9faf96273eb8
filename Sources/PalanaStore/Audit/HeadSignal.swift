import Synchronization

/// Tells any number of waiting tasks that the chain has grown.
final class HeadSignal: Sendable {
  private struct Waiter {
    var seq: Int64
    var continuation: CheckedContinuation<Bool, Never>
  }

  private struct State {
    var head: Int64
    var isFinished = false
    var waiters: [Int: Waiter] = [:]
    var nextWaiter = 0
  }

  private let state: Mutex<State>

  init(head: Int64) { state = Mutex(State(head: head)) }

  /// Number of the newest record that is safe.
  var head: Int64 { state.withLock { $0.head } }

  func advance(to head: Int64) {
    let waiters = state.withLock { state -> [CheckedContinuation<Bool, Never>] in
      guard head > state.head else { return [] }
      state.head = head
      let due = state.waiters.filter { $0.value.seq < head }
      for id in due.keys { state.waiters[id] = nil }
      return due.values.map(\.continuation)
    }
    for waiter in waiters { waiter.resume(returning: true) }
  }

  /// Ends every wait, now and later.
  func finish() {
    let waiters = state.withLock { state -> [CheckedContinuation<Bool, Never>] in
      state.isFinished = true
      defer { state.waiters = [:] }
      return state.waiters.values.map(\.continuation)
    }
    for waiter in waiters { waiter.resume(returning: false) }
  }

  /// Returns true when there are records after `seq`; false when the wait was cancelled or there will be none.
  func wait(past seq: Int64) async -> Bool {
    let id = state.withLock { state in
      state.nextWaiter += 1
      return state.nextWaiter
    }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let answer = state.withLock { state -> Bool? in
          if state.head > seq { return true }
          if state.isFinished || Task.isCancelled { return false }
          state.waiters[id] = Waiter(seq: seq, continuation: continuation)
          return nil
        }
        if let answer { continuation.resume(returning: answer) }
      }
    } onCancel: {
      state.withLock { $0.waiters.removeValue(forKey: id) }?.continuation.resume(returning: false)
    }
  }
}

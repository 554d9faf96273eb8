import PalanaCore
import Synchronization

/// Lets many callers share one run of an operation: the first one with a key runs it in its own task, the others wait.
///
/// No task is started for it, so nothing runs when nobody waits. When the first caller is cancelled, one of the others
/// takes over.
final class SingleFlight<Key: Hashable & Sendable, Value: Sendable>: Sendable {
  private enum Outcome: Sendable {
    case finished(Result<Value, PalanaError>)
    /// Whoever ran it went away; try again.
    case abandoned
    case cancelled
  }

  private struct State {
    var nextWaiter: UInt64 = 0
    var flights: [Key: [UInt64: CheckedContinuation<Outcome, Never>]] = [:]
  }

  private let state = Mutex(State())

  /// Runs `operation`, or waits for the run that is under way with this key.
  func run(
    _ key: Key, _ operation: () async throws(PalanaError) -> Value
  ) async throws(PalanaError) -> Value {
    while true {
      let leads = state.withLock { state in
        guard state.flights[key] == nil else { return false }
        state.flights[key] = [:]
        return true
      }
      if leads {
        let result: Result<Value, PalanaError>
        do { result = .success(try await operation()) } catch { result = .failure(error) }
        // A failure of a cancelled task says nothing about the operation: the others decide for themselves.
        var outcome = Outcome.finished(result)
        if case .failure = result, Task.isCancelled { outcome = .abandoned }
        let waiters = state.withLock { $0.flights.removeValue(forKey: key) } ?? [:]
        for waiter in waiters.values { waiter.resume(returning: outcome) }
        return try result.get()
      }
      switch await wait(for: key) {
      case .finished(let result): return try result.get()
      case .abandoned: continue
      case .cancelled: throw PalanaError(.failed, "the request was given up")
      }
    }
  }

  private func wait(for key: Key) async -> Outcome {
    let id = state.withLock { state in
      state.nextWaiter += 1
      return state.nextWaiter
    }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { (continuation: CheckedContinuation<Outcome, Never>) in
        // The cancellation flag is set before the handler runs, and the handler takes this lock: one of the two sees the other.
        let early: Outcome? = state.withLock { state in
          if Task.isCancelled { return .cancelled }
          guard state.flights[key] != nil else { return .abandoned }
          state.flights[key]?[id] = continuation
          return nil
        }
        if let early { continuation.resume(returning: early) }
      }
    } onCancel: {
      state.withLock { $0.flights[key]?.removeValue(forKey: id) }?.resume(returning: .cancelled)
    }
  }
}

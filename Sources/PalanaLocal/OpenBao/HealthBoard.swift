import PalanaCore
import PalanaSecrets
import Synchronization

/// The present health of the store, for many readers and for those that wait until it is ready.
final class HealthBoard: Sendable {
  /// What is waited for.
  enum Goal {
    case ready
    /// Also the news that it cannot be started, which may still change.
    case readyOrFailed
  }

  private struct Waiter {
    var goal: Goal
    var continuation: CheckedContinuation<Result<Void, PalanaError>, Never>
  }

  private struct State {
    var health = SecretStoreHealth.starting
    var next: UInt64 = 0
    var waiting: [UInt64: Waiter] = [:]
  }

  private let state = Mutex(State())

  var health: SecretStoreHealth { state.withLock { $0.health } }

  /// Sets the health and wakes who waits for it.
  func set(_ health: SecretStoreHealth) {
    let woken = state.withLock { state in
      state.health = health
      let woken = state.waiting.compactMap { id, waiter in
        Self.result(of: health, for: waiter.goal).map { (id, waiter.continuation, $0) }
      }
      for (id, _, _) in woken { state.waiting[id] = nil }
      return woken
    }
    for (_, continuation, result) in woken { continuation.resume(returning: result) }
  }

  /// Returns when the store is ready.
  ///
  /// - Throws: ``PalanaError`` that says why it cannot be (for ``Goal/readyOrFailed``), or that the wait was given up.
  func wait(for goal: Goal) async throws(PalanaError) {
    let id = state.withLock { state in
      state.next += 1
      return state.next
    }
    let result = await withTaskCancellationHandler {
      await withCheckedContinuation { (continuation: CheckedContinuation<Result<Void, PalanaError>, Never>) in
        // The cancellation flag is set before the handler runs, and the handler takes this lock: one of the two sees the other.
        let early: Result<Void, PalanaError>? = state.withLock { state in
          if Task.isCancelled { return .failure(Self.givenUp) }
          if let result = Self.result(of: state.health, for: goal) { return result }
          state.waiting[id] = Waiter(goal: goal, continuation: continuation)
          return nil
        }
        if let early { continuation.resume(returning: early) }
      }
    } onCancel: {
      state.withLock { $0.waiting.removeValue(forKey: id) }?.continuation.resume(returning: .failure(Self.givenUp))
    }
    try result.get()
  }

  private static func result(of health: SecretStoreHealth, for goal: Goal) -> Result<Void, PalanaError>? {
    switch health {
    case .ready: .success(())
    case .failed(let error): goal == .ready ? nil : .failure(error)
    case .starting, .sealed, .unreachable: nil
    }
  }

  private static var givenUp: PalanaError { PalanaError(.failed, "waiting for the secret store was given up") }
}

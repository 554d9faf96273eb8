import PalanaCore
import PalanaSecrets
import Synchronization

/// The present health of the store, for many readers and for those that wait until it is ready.
final class HealthBoard: Sendable {
  private struct State {
    var health = SecretStoreHealth.starting
    var next: UInt64 = 0
    var waiting: [UInt64: CheckedContinuation<Result<Void, PalanaError>, Never>] = [:]
  }

  private let state = Mutex(State())

  var health: SecretStoreHealth { state.withLock { $0.health } }

  /// Sets the health and wakes who waits for it.
  func set(_ health: SecretStoreHealth) {
    guard let result = Self.result(of: health) else { return state.withLock { $0.health = health } }
    let woken = state.withLock { state in
      state.health = health
      defer { state.waiting = [:] }
      return Array(state.waiting.values)
    }
    for waiter in woken { waiter.resume(returning: result) }
  }

  /// Returns when the store is ready.
  ///
  /// - Throws: ``PalanaError`` that says why it cannot be, or that the wait was given up.
  func waitUntilReady() async throws(PalanaError) {
    let id = state.withLock { state in
      state.next += 1
      return state.next
    }
    let result = await withTaskCancellationHandler {
      await withCheckedContinuation { (continuation: CheckedContinuation<Result<Void, PalanaError>, Never>) in
        let early: Result<Void, PalanaError>? = state.withLock { state in
          if Task.isCancelled { return .failure(Self.givenUp) }
          if let result = Self.result(of: state.health) { return result }
          state.waiting[id] = continuation
          return nil
        }
        if let early { continuation.resume(returning: early) }
      }
    } onCancel: {
      state.withLock { $0.waiting.removeValue(forKey: id) }?.resume(returning: .failure(Self.givenUp))
    }
    try result.get()
  }

  private static func result(of health: SecretStoreHealth) -> Result<Void, PalanaError>? {
    switch health {
    case .ready: .success(())
    case .failed(let error): .failure(error)
    case .starting, .sealed, .unreachable: nil
    }
  }

  private static var givenUp: PalanaError { PalanaError(.failed, "waiting for the secret store was given up") }
}

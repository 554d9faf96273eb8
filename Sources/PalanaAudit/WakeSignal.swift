import Synchronization

/// Wakes one sleeping task from any thread. Raising it costs one load while nobody sleeps.
package final class WakeSignal: Sendable {
  private let armed = Atomic<Bool>(false)
  private let waiter = Mutex<CheckedContinuation<Void, Never>?>(nil)

  package init() {}

  /// Wakes the waiter, if there is one.
  package func raise() {
    guard armed.load(ordering: .sequentiallyConsistent) else { return }
    take()?.resume()
  }

  /// Sleeps until ``raise()`` or cancellation, unless `isReady` is already true.
  ///
  /// `isReady` is asked after the signal is armed: whoever changes the answer first and raises then is never missed.
  /// One task may wait at a time.
  package func wait(unless isReady: @Sendable () -> Bool) async {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        waiter.withLock { $0 = continuation }
        armed.store(true, ordering: .sequentiallyConsistent)
        if isReady() || Task.isCancelled { take()?.resume() }
      }
    } onCancel: {
      take()?.resume()
    }
  }

  private func take() -> CheckedContinuation<Void, Never>? {
    armed.store(false, ordering: .sequentiallyConsistent)
    return waiter.withLock { waiter in
      defer { waiter = nil }
      return waiter
    }
  }
}

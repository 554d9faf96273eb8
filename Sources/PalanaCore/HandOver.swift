import Synchronization

/// Passes elements from one task to another, one at a time: who gives waits until the other has taken. So nothing piles
/// up.
package final class HandOver<Element: Sendable>: Sendable {
  private struct State {
    var element: Element?
    var end: Result<Void, any Error>?
    /// Gets true when its element was taken, false when nobody will take it.
    var giver: CheckedContinuation<Bool, Never>?
    var taker: CheckedContinuation<Void, Never>?
  }

  private let state = Mutex(State())

  package init() {}

  /// Gives one element. False: nobody will take any more. One giver at a time.
  package func give(_ element: Element) async -> Bool {
    await withCheckedContinuation { continuation in
      let (taker, isOver) = state.withLock { state -> (CheckedContinuation<Void, Never>?, Bool) in
        guard state.end == nil else { return (nil, true) }
        state.element = element
        state.giver = continuation
        defer { state.taker = nil }
        return (state.taker, false)
      }
      taker?.resume()
      if isOver { continuation.resume(returning: false) }
    }
  }

  /// No more will be given; or nobody will take. What was given before and not taken is gone.
  package func finish(_ end: Result<Void, any Error> = .success(())) {
    let (giver, taker) = state.withLock {
      state -> (CheckedContinuation<Bool, Never>?, CheckedContinuation<Void, Never>?) in
      guard state.end == nil else { return (nil, nil) }
      state.end = end
      defer { (state.giver, state.taker) = (nil, nil) }
      return (state.giver, state.taker)
    }
    giver?.resume(returning: false)
    taker?.resume()
  }

  /// The next element; nil after the end. One taker at a time.
  package func take() async throws -> Element? {
    while true {
      let (element, giver, end) = state.withLock {
        state -> (Element?, CheckedContinuation<Bool, Never>?, Result<Void, any Error>?) in
        defer { if state.element != nil { (state.element, state.giver) = (nil, nil) } }
        return (state.element, state.giver, state.end)
      }
      if let element {
        giver?.resume(returning: true)
        return element
      }
      if let end {
        try end.get()
        return nil
      }
      await withTaskCancellationHandler {
        await withCheckedContinuation { continuation in
          let isReady = state.withLock { state in
            if state.element != nil || state.end != nil { return true }
            state.taker = continuation
            return false
          }
          if isReady { continuation.resume() }
        }
      } onCancel: {
        finish(.failure(CancellationError()))
      }
    }
  }
}

/// Ends a task when nobody holds this any more: ties the task's life to a stream's.
package final class TaskOwner: Sendable {
  private let end: @Sendable () -> Void

  /// - Parameter end: cancels the task and wakes it.
  package init(_ end: @escaping @Sendable () -> Void) { self.end = end }
  deinit { end() }
}

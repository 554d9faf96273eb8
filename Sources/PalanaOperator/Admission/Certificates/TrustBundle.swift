import Synchronization

/// The authorities that the API server has to trust, and whoever waits for their changes.
package final class TrustBundle: Sendable {
  private struct State {
    var pem: String?
    var waiting: [UInt64: AsyncStream<Void>.Continuation] = [:]
    var next: UInt64 = 0
  }

  private let state = Mutex(State())

  package init() {}

  /// Nil until it is known.
  package var pem: String? { state.withLock { $0.pem } }

  func replace(_ pem: String) {
    state.withLock { state in
      guard state.pem != pem else { return }
      state.pem = pem
      for one in state.waiting.values { one.yield(()) }
    }
  }

  /// Yields at once when it is known, and at each change; a change that nobody took yet hides the next.
  func changes() -> AsyncStream<Void> {
    let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    let number = state.withLock { state in
      let number = state.next
      state.next &+= 1
      state.waiting[number] = continuation
      if state.pem != nil { continuation.yield(()) }
      return number
    }
    continuation.onTermination = { [weak self] _ in
      self?.state.withLock { _ = $0.waiting.removeValue(forKey: number) }
    }
    return stream
  }
}

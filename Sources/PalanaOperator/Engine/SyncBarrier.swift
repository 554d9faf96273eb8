import Synchronization

/// Waits until each of several has happened once.
final class SyncBarrier: Sendable {
  private let missing: Mutex<(count: Int, seen: Set<String>)>
  private let stream: AsyncStream<Void>
  private let end: AsyncStream<Void>.Continuation

  init(count: Int) {
    missing = Mutex((count, []))
    (stream, end) = AsyncStream.makeStream()
  }

  func synced(_ name: String) {
    let isLast = missing.withLock { missing in
      missing.seen.insert(name)
      return missing.seen.count == missing.count
    }
    if isLast {
      end.yield(())
      end.finish()
    }
  }

  /// - Returns: false when the task was cancelled before.
  func reached() async -> Bool { await stream.first { _ in true } != nil }
}

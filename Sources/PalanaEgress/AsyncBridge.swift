import Synchronization

/// Carries work from event loops to the cooperative pool and bounds it: the slow path of decisions and secrets.
///
/// The work runs as children of ``run()``, so nothing outlives the gateway.
final class AsyncBridge: Sendable {
  private let stream: AsyncStream<@Sendable () async -> Void>
  private let continuation: AsyncStream<@Sendable () async -> Void>.Continuation
  private let inFlight = Atomic<Int>(0)
  private let limit: Int

  init(limit: Int) {
    self.limit = limit
    (stream, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(limit))
  }

  /// - Returns: whether the work was taken; false when too much is under way or the gateway stops.
  func submit(_ work: @escaping @Sendable () async -> Void) -> Bool {
    guard inFlight.wrappingAdd(1, ordering: .relaxed).newValue <= limit else {
      inFlight.wrappingSubtract(1, ordering: .relaxed)
      return false
    }
    let counted: @Sendable () async -> Void = { [self] in
      await work()
      inFlight.wrappingSubtract(1, ordering: .relaxed)
    }
    if case .enqueued = continuation.yield(counted) { return true }
    inFlight.wrappingSubtract(1, ordering: .relaxed)
    return false
  }

  /// Runs the work until ``finish()``.
  func run() async {
    await withDiscardingTaskGroup { group in
      for await work in stream { group.addTask { await work() } }
      group.cancelAll()
    }
  }

  func finish() { continuation.finish() }
}

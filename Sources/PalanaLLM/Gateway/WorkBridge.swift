import Synchronization

/// Carries work from event loops to the cooperative pool and bounds it: values of secrets that are not in memory.
///
/// The work runs as children of ``run()``, so nothing outlives the gateway.
final class WorkBridge: Sendable {
  private let stream: AsyncStream<@Sendable () async -> Void>
  private let continuation: AsyncStream<@Sendable () async -> Void>.Continuation

  /// - Parameter limit: of what waits.
  init(limit: Int) { (stream, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(limit)) }

  /// - Returns: whether the work was taken; false when too much waits or the gateway stops.
  func submit(_ work: @escaping @Sendable () async -> Void) -> Bool {
    if case .enqueued = continuation.yield(work) { true } else { false }
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

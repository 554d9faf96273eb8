import NIOCore
import NIOPosix
import PalanaCore
import Synchronization

/// Threads for work that blocks, with a bounded queue and a time limit for the one who waits.
///
/// A call into the engine cannot be interrupted. When its time is over the caller gets its answer and the thread goes
/// on until the call returns; it still counts, so a policy that hangs fills the pool and everything after is refused,
/// never let through and never piled up.
final class EvaluationPool: Sendable {
  enum Outcome<Value: Sendable>: Sendable {
    case done(Value)
    case full
    case timedOut
    case closed
  }

  private let pool: NIOThreadPool
  private let capacity: Int
  private let pending = Mutex<Int>(0)
  private let timers = MultiThreadedEventLoopGroup.singleton

  /// - Parameters:
  ///   - threads: how many calls run at once.
  ///   - queue: how many more may wait.
  init(threads: Int, queue: Int) {
    pool = NIOThreadPool(numberOfThreads: max(threads, 1))
    capacity = max(threads, 1) + max(queue, 0)
    pool.start()
  }

  /// Runs `work` on a thread of the pool and waits for it, at most for `timeout`.
  func run<Value: Sendable>(
    timeout: Duration, _ work: @escaping @Sendable () -> Value
  ) async -> Outcome<Value> {
    let admitted = pending.withLock { pending in
      guard pending < capacity else { return false }
      pending += 1
      return true
    }
    guard admitted else { return .full }
    return await withCheckedContinuation { continuation in
      let race = Race<Outcome<Value>>(continuation)
      let timer = timers.any().scheduleTask(in: .nanoseconds(timeout.wholeMicroseconds * 1000)) {
        race.finish(.timedOut)
      }
      pool.submit { state in
        defer { self.pending.withLock { $0 -= 1 } }
        guard state == .active else { return race.finish(.closed) }
        // Nobody waits any more: the work would be for nothing.
        guard !race.isOver else { return }
        race.finish(.done(work()))
        timer.cancel()
      }
    }
  }

  /// Ends the threads after the work that runs; what waits is told that the pool is closed.
  func close() async { try? await pool.shutdownGracefully() }
}

/// Resumes a continuation with whatever finishes first.
private final class Race<Value: Sendable>: Sendable {
  private let continuation: Mutex<CheckedContinuation<Value, Never>?>

  init(_ continuation: CheckedContinuation<Value, Never>) { self.continuation = Mutex(continuation) }

  var isOver: Bool { continuation.withLock { $0 == nil } }

  func finish(_ value: Value) {
    let waiting = continuation.withLock { held in
      defer { held = nil }
      return held
    }
    waiting?.resume(returning: value)
  }
}

import NIOCore
import NIOPosix

/// Threads for calls into the kernel that block, apart from those that other parts use: a kill never waits behind anything.
enum BlockingLane {
  /// Threads for making, repairing and removing networks.
  static let structure = lane(threads: 4)
  /// Threads for cutting off and letting back.
  static let containment = lane(threads: 2)

  private static func lane(threads: Int) -> NIOThreadPool {
    let pool = NIOThreadPool(numberOfThreads: threads)
    pool.start()
    return pool
  }
}

extension NIOThreadPool {
  /// Runs blocking work on a thread of the pool, also when the caller's task is cancelled: half a kill or half a network is worse
  /// than a late answer.
  func call<Value: Sendable>(
    _ body: @escaping @Sendable () throws(NetlinkError) -> Value
  ) async throws(NetlinkError) -> Value {
    // The pools of ``BlockingLane`` never stop, so the work is never refused.
    let result: Result<Value, NetlinkError> = await withCheckedContinuation { continuation in
      submit { _ in continuation.resume(returning: Result(catching: body)) }
    }
    return try result.get()
  }
}

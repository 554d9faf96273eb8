import CLinux
import NIOPosix
import PalanaCore
import Synchronization

/// Tells when kernel descriptors that no event loop reads (processes, watched folders) become ready.
///
/// One thread for the whole process, for as long as it lives: a wait for the end of a process has no other home, since
/// a pool's thread may not block and an event loop cannot read such a descriptor.
final class ReadinessPoller: Sendable {
  /// Called on the poller's thread: it must be short.
  typealias Handler = @Sendable () -> Void

  private static let started = Result<ReadinessPoller, PalanaError> { () throws(PalanaError) in try ReadinessPoller() }

  private let poll: Int32
  private let handlers = Mutex<[Int32: Handler]>([:])
  private let thread = NIOThreadPool(numberOfThreads: 1)

  /// - Throws: ``PalanaError`` with code `failed` when the kernel refuses.
  static func shared() throws(PalanaError) -> ReadinessPoller { try started.get() }

  private init() throws(PalanaError) {
    poll = clsandbox_poll_open()
    guard poll >= 0 else { throw SystemCall.error(-poll, "no epoll descriptor") }
    thread.start()
    thread.submit { [poll, self] _ in
      var ready = [Int32](repeating: 0, count: 64)
      while true {
        let count = unsafe ready.withUnsafeMutableBufferPointer { unsafe clsandbox_poll_wait(poll, $0.baseAddress, 64) }
        guard count >= 0 else { return }
        for descriptor in ready.prefix(Int(count)) {
          let handler = handlers.withLock { $0[descriptor] }
          handler?()
        }
      }
    }
  }

  /// Calls `handler` at each edge of readiness until ``remove(_:)``; at once if it is ready. The descriptor stays the
  /// caller's.
  func add(_ descriptor: Int32, _ handler: @escaping Handler) throws(PalanaError) {
    handlers.withLock { $0[descriptor] = handler }
    let result = clsandbox_poll_add(poll, descriptor)
    guard result == 0 else {
      _ = handlers.withLock { $0.removeValue(forKey: descriptor) }
      throw SystemCall.error(-result, "a descriptor cannot be watched")
    }
  }

  /// Call it before the descriptor is closed.
  func remove(_ descriptor: Int32) {
    _ = clsandbox_poll_remove(poll, descriptor)
    _ = handlers.withLock { $0.removeValue(forKey: descriptor) }
  }
}

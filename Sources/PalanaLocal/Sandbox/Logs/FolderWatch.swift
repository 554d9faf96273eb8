import CLinux
import Glibc
import PalanaCore

/// Tells that something happened in some folders, so that a reader looks again. Events that come close together are told once.
final class FolderWatch: Sendable {
  private let descriptor: OwnedDescriptor
  private let poller: ReadinessPoller
  private let events: AsyncStream<Void>
  private let continuation: AsyncStream<Void>.Continuation

  /// - Throws: `failed` when the kernel refuses (too many watches).
  init() throws(PalanaError) {
    descriptor = OwnedDescriptor(clsandbox_watch_open())
    guard descriptor.number >= 0 else { throw SystemCall.error(-descriptor.number, "no folder watch") }
    poller = try ReadinessPoller.shared()
    (events, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    // The handler holds the descriptor: a number that was closed meanwhile could be another's, on which a read waits for ever.
    try poller.add(descriptor.number) { [continuation, descriptor] in
      // Emptied, so that the next event is an edge again. What it says does not matter.
      var discard = [UInt8](repeating: 0, count: 4096)
      while unsafe discard.withUnsafeMutableBytes({ unsafe read(descriptor.number, $0.baseAddress, $0.count) }) > 0 {}
      continuation.yield()
    }
  }

  deinit {
    poller.remove(descriptor.number)
    continuation.finish()
  }

  /// Watches one more folder; a folder that is gone is no error, the reader finds out.
  func add(_ folder: String) { _ = unsafe clsandbox_watch_add(descriptor.number, folder) }

  /// Waits for something to happen since the last call; false: the task was cancelled.
  func wait() async -> Bool {
    for await _ in events { return true }
    return false
  }
}

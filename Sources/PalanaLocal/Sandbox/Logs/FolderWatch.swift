import CLinux
import Glibc
import PalanaCore
import Synchronization

/// Tells that something happened in some folders, so that a reader looks again. Events that come close together are
/// told once.
final class FolderWatch: Sendable {
  private let watcher: FolderWatcher
  private let key: Int
  private let events: AsyncStream<Void>

  /// - Throws: `failed` when the kernel refuses.
  init() throws(PalanaError) {
    watcher = try FolderWatcher.shared()
    let (events, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    self.events = events
    key = watcher.register(continuation)
  }

  deinit { watcher.forget(key) }

  /// Watches one more folder; a folder that is gone is no error, the reader finds out.
  func add(_ folder: String) { watcher.add(folder, for: key) }

  /// Waits for something to happen since the last call; false: the task was cancelled.
  func wait() async -> Bool {
    for await _ in events { return true }
    return false
  }
}

/// The one inotify descriptor of this process: the kernel gives a user few of them (128), and there may be more
/// readers.
private final class FolderWatcher: Sendable {
  private struct State {
    var next = 0
    var readers: [Int: AsyncStream<Void>.Continuation] = [:]
    /// Who is told about each watch of the kernel.
    var watches: [Int32: Set<Int>] = [:]
  }

  private static let made = Result<FolderWatcher, PalanaError> { () throws(PalanaError) in try FolderWatcher() }
  private let descriptor: OwnedDescriptor
  private let state = Mutex(State())

  static func shared() throws(PalanaError) -> FolderWatcher { try made.get() }

  private init() throws(PalanaError) {
    descriptor = OwnedDescriptor(clsandbox_watch_open())
    guard descriptor.number >= 0 else { throw SystemCall.error(-descriptor.number, "no folder watch") }
    try ReadinessPoller.shared().add(descriptor.number) { [self] in drain() }
  }

  func register(_ reader: AsyncStream<Void>.Continuation) -> Int {
    state.withLock { state in
      state.next += 1
      state.readers[state.next] = reader
      return state.next
    }
  }

  func forget(_ key: Int) {
    state.withLock { state in
      state.readers[key] = nil
      for (watch, keys) in state.watches where keys.contains(key) {
        state.watches[watch]?.remove(key)
        guard keys.count == 1 else { continue }
        state.watches[watch] = nil
        inotify_rm_watch(descriptor.number, watch)
      }
    }
  }

  func add(_ folder: String, for key: Int) {
    // Under the lock: the kernel gives the number that another reader of the same folder may be about to give back.
    state.withLock { state in
      let watch = unsafe clsandbox_watch_add(descriptor.number, folder)
      if watch >= 0 { state.watches[watch, default: []].insert(key) }
    }
  }

  /// Takes all events, so that the next one is an edge again. What happened does not matter, only where.
  private func drain() {
    var bytes = [UInt8](repeating: 0, count: 16_384)
    while true {
      let count = unsafe bytes.withUnsafeMutableBytes { unsafe read(descriptor.number, $0.baseAddress, $0.count) }
      guard count > 0 else { return }
      func number(_ offset: Int) -> UInt32 { (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << (8 * UInt32($1)) } }
      var watches: Set<Int32> = []
      var offset = 0
      while offset + 16 <= count {
        watches.insert(Int32(bitPattern: number(offset)))
        offset += 16 + Int(number(offset + 12))
      }
      let told = state.withLock { state in
        // -1: the kernel's queue was full and something is lost; everybody looks.
        watches.contains(-1)
          ? Array(state.readers.values)
          : Set(watches.flatMap { state.watches[$0] ?? [] }).compactMap { state.readers[$0] }
      }
      for reader in told { reader.yield() }
    }
  }
}

import Glibc

/// Work that stands back: where it wants the processor that an event loop wants too, the event loop goes first.
enum BackgroundTurn {
  /// Of its nice levels: a third of an event loop's weight, so that the work goes on when the processor is full.
  static let niceness: Int32 = 5

  /// Runs `body` on the calling thread with a lower weight than the process has, and gives the thread its former one back. Threads of a
  /// dispatch queue may have a higher one than the process.
  static func run<T>(_ body: () throws -> T) rethrows -> T {
    guard mayReturn else { return try body() }
    let before = current
    set(base + niceness)
    defer { set(before) }
    return try body()
  }

  /// The calling thread's: on Linux a thread has its own (`setpriority(2)`, “C library/kernel differences”).
  static var current: Int32 { getpriority(thread, 0) }

  /// The process's: that of its first thread.
  static let base = getpriority(thread, id_t(getpid()))

  @discardableResult
  private static func set(_ niceness: Int32) -> Bool { setpriority(thread, 0, niceness) == 0 }

  private static let thread = __priority_which_t(PRIO_PROCESS.rawValue)

  /// Whether a thread may take its weight back, which not every user may: whoever may have a little more may have it back.
  static let mayReturn: Bool = {
    let before = current
    guard before > -20, set(before - 1) else { return false }
    return set(before)
  }()
}

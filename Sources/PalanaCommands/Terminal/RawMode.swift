import PalanaCore
import UnixSignals

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The settings of a terminal.
enum TerminalMode {
  /// Runs `body` with `descriptor` in raw mode and puts the former settings back, however `body` ends.
  static func raw<Value>(_ descriptor: Int32, _ body: () async throws -> Value) async throws -> Value {
    let saved = try settings(descriptor)
    var raw = saved
    unsafe cfmakeraw(&raw)
    try apply(raw, descriptor)
    defer { try? apply(saved, descriptor) }
    return try await body()
  }

  /// Runs `body` while `descriptor` does not show what is typed. Ctrl-C ends it with ``Interrupted``, so that the shell behind it is not left
  /// blind.
  static func silent<Value: Sendable>(
    _ descriptor: Int32, _ body: @escaping @Sendable () async throws -> Value
  ) async throws -> Value {
    let saved = try settings(descriptor)
    var silent = saved
    silent.c_lflag &= ~tcflag_t(ECHO)
    // Caught before the first change, so that no signal falls between.
    let signals = await UnixSignalsSequence(trapping: [.sigint, .sigterm, .sighup, .sigquit])
    try apply(silent, descriptor)
    defer { try? apply(saved, descriptor) }
    return try await withThrowingTaskGroup(of: Value.self) { group in
      group.addTask { try await body() }
      group.addTask {
        for await signal in signals { throw Interrupted(signal: signal.rawValue) }
        throw CancellationError()
      }
      defer { group.cancelAll() }
      guard let value = try await group.next() else { throw CancellationError() }
      return value
    }
  }

  /// The size of a terminal; nil when it is none, or does not say.
  static func size(_ descriptor: Int32) -> (rows: UInt16, columns: UInt16)? {
    var size = winsize()
    guard unsafe ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0, size.ws_col > 0 else { return nil }
    return (size.ws_row, size.ws_col)
  }

  private static func settings(_ descriptor: Int32) throws -> termios {
    var settings = termios()
    guard unsafe tcgetattr(descriptor, &settings) == 0 else {
      throw PalanaError(.failed, "this is not a terminal: \(SystemText.of(errno))")
    }
    return settings
  }

  private static func apply(_ settings: termios, _ descriptor: Int32) throws {
    var settings = settings
    while unsafe tcsetattr(descriptor, TCSADRAIN, &settings) != 0 {
      guard errno == EINTR else { throw PalanaError(.failed, "cannot set up the terminal: \(SystemText.of(errno))") }
    }
  }
}

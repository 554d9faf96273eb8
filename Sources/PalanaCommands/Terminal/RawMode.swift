import PalanaCore

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

  /// Runs `body` while `descriptor` does not show what is typed.
  static func silent<Value>(_ descriptor: Int32, _ body: () async throws -> Value) async throws -> Value {
    let saved = try settings(descriptor)
    var silent = saved
    silent.c_lflag &= ~tcflag_t(ECHO)
    try apply(silent, descriptor)
    defer { try? apply(saved, descriptor) }
    return try await body()
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

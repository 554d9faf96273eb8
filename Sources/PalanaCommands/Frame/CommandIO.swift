import PalanaCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The process's surroundings as a value, so that tests run commands with their own.
struct CommandIO: Sendable {
  /// Where results go.
  var output: ByteSink
  /// Where errors, remarks and progress go.
  var error: ByteSink
  /// Where input comes from.
  var input: InputSource
  /// Whether standard input, output and error are terminals.
  var inputIsTerminal: Bool
  var outputIsTerminal: Bool
  var errorIsTerminal: Bool
  /// The environment of the process.
  var environment: [String: String]
  /// For ages and `--since`.
  var clock: WallClock

  /// The real ones.
  static func system() -> CommandIO {
    CommandIO(
      output: .descriptor(1), error: .descriptor(2), input: InputSource(descriptor: 0),
      inputIsTerminal: isatty(0) == 1, outputIsTerminal: isatty(1) == 1, errorIsTerminal: isatty(2) == 1,
      environment: ProcessEnvironment.current(), clock: .system)
  }
}

/// Reads the environment block of this process.
enum ProcessEnvironment {
  /// Every variable; of a repeated name the first one, as `getenv` does.
  static func current() -> [String: String] {
    var result: [String: String] = [:]
    // `environ` belongs to the process and nothing here changes it while it is read.
    var cursor: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> = unsafe environ
    while let entry = unsafe cursor.pointee {
      let text = unsafe String(cString: entry)
      if let equals = text.firstIndex(of: "=") {
        let name = String(text[..<equals])
        if result[name] == nil { result[name] = String(text[text.index(after: equals)...]) }
      }
      unsafe cursor += 1
    }
    return result
  }
}

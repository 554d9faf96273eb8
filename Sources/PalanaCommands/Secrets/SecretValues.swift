import PalanaCore

/// Where the value of one key of a secret comes from.
enum SecretSource: Hashable, Sendable {
  /// It stands on the command line.
  case literal(String)
  case file(String)
  case standardInput
  /// Asked for on the terminal, without showing what is typed.
  case prompt
}

/// The keys of a secret as they stand on the command line: `KEY=VALUE`, `KEY=@FILE`, `KEY=-` or `KEY`.
struct SecretValues: Sendable {
  /// In the order in which they were given.
  let sources: [(key: String, source: SecretSource)]

  /// A value has at most this many bytes.
  static let limit = 1 << 20

  /// - Throws: ``PalanaError`` with code `invalid`. It never holds a value.
  init(_ arguments: [String]) throws(PalanaError) {
    var sources: [(key: String, source: SecretSource)] = []
    for argument in arguments {
      let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard Self.isKey(parts[0]) else {
        // The argument may be a value that was given without its key: it is not repeated.
        throw PalanaError(
          .invalid, "argument \(sources.count + 1) is not KEY=VALUE",
          hint: "a key has letters, digits, ‘_’, ‘-’ and ‘.’; write for example token=@FILE or token=-")
      }
      guard !sources.contains(where: { $0.key == parts[0] }) else {
        throw PalanaError(.invalid, "the key \(parts[0]) is given twice")
      }
      let source: SecretSource =
        switch parts.count == 2 ? parts[1] : nil {
        case nil: .prompt
        case "-": .standardInput
        case let text? where text.hasPrefix("@"): .file(String(text.dropFirst()))
        case let text?: .literal(text)
        }
      if source == .standardInput, sources.contains(where: { $0.source == .standardInput }) {
        throw PalanaError(.invalid, "only one key can be read from standard input")
      }
      sources.append((parts[0], source))
    }
    self.sources = sources
  }

  /// Whether a value stands on the command line, where the shell's history keeps it.
  var hasLiteral: Bool {
    sources.contains { if case .literal = $0.source { true } else { false } }
  }

  /// Reads the values.
  ///
  /// One line end behind a value of one line is dropped, since editors and `echo` add it and no credential has it; a value of several
  /// lines, such as a key in PEM form, stays as it is.
  /// - Throws: ``PalanaError``; its text never holds a value.
  func read(_ io: CommandIO) async throws -> [String: Redacted<String>] {
    var values: [String: Redacted<String>] = [:]
    for (key, source) in sources {
      let bytes: [UInt8]
      switch source {
      case .literal(let text): bytes = Array(text.utf8)
      case .file(let path): bytes = try LocalFile.read(path, limit: Self.limit)
      case .standardInput:
        // Typed at a terminal it is a line like any other, and as little shown as at a prompt.
        bytes = try await io.inputIsTerminal ? SecretPrompt(io: io).ask(key) : io.input.all(limit: Self.limit)
      case .prompt: bytes = try await SecretPrompt(io: io).ask(key)
      }
      guard let text = String(validating: bytes, as: UTF8.self) else {
        throw PalanaError(.invalid, "the value of \(key) is not text (UTF-8)", hint: "encode it, for example in base64")
      }
      let value = Self.trimmed(text)
      guard !value.isEmpty else { throw PalanaError(.invalid, "the value of \(key) is empty") }
      values[key] = Redacted(value)
    }
    return values
  }

  private static func trimmed(_ text: String) -> String {
    let bare = text.trimmingLineEnds()
    return bare.utf8.contains(UInt8(ascii: "\n")) ? text : bare
  }

  private static func isKey(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count)
      && text.utf8.allSatisfy {
        (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 95 || $0 == 45 || $0 == 46
      }
  }
}

/// Asks for a value on the terminal.
struct SecretPrompt {
  let io: CommandIO

  /// Shows `KEY:` on standard error and reads one line without showing it.
  /// - Throws: ``PalanaError`` with code `invalid` without a terminal.
  func ask(_ key: String) async throws -> [UInt8] {
    guard io.inputIsTerminal else {
      // Not by its name: it may be a value that was given without its key.
      throw PalanaError(
        .invalid, "a key has no value, and there is no terminal to ask on",
        hint: "write KEY=@FILE, or KEY=- to read standard input")
    }
    try await io.error.write("\(key): ")
    let input = io.input
    let line = try await TerminalMode.silent(input.rawDescriptor) {
      var bytes: [UInt8] = []
      while !bytes.contains(UInt8(ascii: "\n")), let more = try await input.next() { bytes += more }
      return Array(bytes.prefix { $0 != UInt8(ascii: "\n") })
    }
    try await io.error.write("\n")
    return line
  }
}

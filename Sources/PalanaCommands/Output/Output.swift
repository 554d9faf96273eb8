import FoundationEssentials
import PalanaCore
import PalanaManifests

/// How commands write: results to standard output in the wanted format, remarks to standard error.
struct Output: Sendable {
  /// The wanted format.
  let format: OutputFormat
  /// Whether remarks and progress are left out.
  let quiet: Bool
  /// The process's surroundings.
  let io: CommandIO
  /// Whether standard output and error take colours.
  let colourOutput: Bool
  let colourError: Bool

  /// Writes a result: `table` for people, `value` for programs.
  func result(_ value: JSONValue, table: () -> [Table]) async throws {
    switch format {
    case .json: try await io.output.write(JSONText.pretty(value) + "\n")
    case .yaml: try await io.output.write(try YAMLText.document(value))
    case .table:
      let blocks = table().map { $0.lines(colour: colourOutput).joined(separator: "\n") + "\n" }
      try await io.output.write(blocks.joined(separator: "\n"))
    }
  }

  /// As ``result(_:table:)`` for a list: when quiet, people get `names` alone, one on a line.
  func list(_ value: JSONValue, names: [String], table: () -> [Table]) async throws {
    guard quiet, format == .table else { return try await result(value, table: table) }
    for name in names { try await io.output.write(TerminalText.safe(name) + "\n") }
  }

  /// As ``result(_:table:)`` for a typed value.
  func result(_ value: some Encodable, table: () -> [Table]) async throws {
    try await result(try JSONText.value(of: value), table: table)
  }

  /// Writes a result that is text for people: lines that are safe already.
  func result(_ value: JSONValue, lines: () -> [String]) async throws {
    guard format == .table else { return try await result(value, table: { [] }) }
    for line in lines() { try await io.output.write(line + "\n") }
  }

  /// Says that something was done: one sentence for people (left out when quiet), `value` for programs.
  func done(_ sentence: String, _ value: JSONValue) async throws {
    if format == .table, quiet { return }
    try await result(value, lines: { [TerminalText.safe(sentence)] })
  }

  /// As ``done(_:_:)`` for a typed value.
  func done(_ sentence: String, _ value: some Encodable) async throws {
    try await done(sentence, try JSONText.value(of: value))
  }

  /// A remark for people on standard error; left out when quiet.
  func note(_ sentence: String) async throws {
    guard !quiet else { return }
    let text = TerminalText.safe(sentence)
    try await io.error.write((colourError ? "\u{1b}[2m\(text)\u{1b}[0m" : text) + "\n")
  }

  /// Something that a person must know on standard error, also when quiet.
  func warn(_ sentence: String) async throws {
    let label = colourError ? "\u{1b}[33mWarning:\u{1b}[0m" : "Warning:"
    try await io.error.write("\(label) \(TerminalText.safe(sentence))\n")
  }

  /// Text as it is, for results that have one form only (a completion script).
  func raw(_ text: String) async throws { try await io.output.write(text) }

  /// One JSON line for an encodable value, or nil when it cannot be encoded.
  static func json(encoding value: some Encodable) -> String? {
    (try? JSONText.value(of: value)).map { JSONText.compact($0) }
  }
}

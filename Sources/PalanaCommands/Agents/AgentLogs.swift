import ArgumentParser
import FoundationEssentials
import PalanaControlAPI
import PalanaCore
import PalanaManifests

/// `pcli logs NAME`
struct AgentLogs: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "logs", abstract: "Show what an agent wrote to its standard output and error.")

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "The agent's name.", completion: AgentNames.completion) var name: String
  @Flag(name: [.customShort("f"), .long], help: "Go on showing what comes.") var follow = false
  @Option(help: ArgumentHelp("Only from this time on: 10m (ago), or an RFC 3339 time.", valueName: "time"))
  var since: String?
  @Flag(name: [.customShort("p"), .long], help: "The run before the present one.") var previous = false
  @Option(name: [.customShort("n"), .long], help: ArgumentHelp("Only the last lines.", valueName: "n")) var tail: Int?
  @Flag(name: [.customShort("t"), .long], help: "Put the time before each line.") var timestamps = false

  func execute(in context: CommandContext) async throws -> Int32 {
    let name = try ResourceName(name).text
    let items = try query(now: context.io.clock.now())
    let writer = LogWriter(output: context.output, timestamps: timestamps)
    try await context.withClient { client in
      try await client.lines(.agentLogs, ["name": name], query: items) { line in try await writer.write(line) }
    }
    return 0
  }

  /// The query of the request.
  func query(now: Timestamp) throws -> [QueryItem] {
    if let tail, tail < 0 { throw PalanaError(.invalid, "--tail is 0 or more") }
    var items: [QueryItem] = []
    if follow { items.append(("follow", "true")) }
    if let since {
      items.append(("since", try PointInTime.parse(since, option: "--since", now: now).description))
    }
    if previous { items.append(("previous", "true")) }
    if let tail { items.append(("tail", String(tail))) }
    return items
  }
}

/// Writes the lines of a log.
struct LogWriter: Sendable {
  let output: Output
  let timestamps: Bool

  /// Writes one line of the server's answer.
  /// - Parameter line: a JSON `LogRecord`.
  func write(_ line: [UInt8]) async throws {
    switch output.format {
    case .json: try await output.io.output.write(line + [UInt8(ascii: "\n")])
    case .yaml: try await output.raw("---\n" + (try YAMLText.document(try JSONValue(parsing: line))))
    case .table:
      guard let record = try? JSONDecoder().decode(LogRecord.self, from: Data(line)) else {
        throw PalanaError(.failed, "the server sent a line that is no log record")
      }
      // In a pipe the agent's bytes pass as they are; a terminal would obey them.
      let text = output.io.outputIsTerminal ? TerminalText.coloured(record.text) : record.text
      try await output.raw((timestamps ? "\(record.time) " : "") + text + "\n")
    }
  }
}

import ArgumentParser
import PalanaControlAPI
import PalanaCore

/// `pcli llm content …`
struct LLMContentGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "content", abstract: "What agents asked models and were answered, where routes keep it; operators only.",
    discussion: "A route keeps it with ‘contentLog: true’. Who reads what was said in a call is written down in the audit trail.",
    subcommands: [LLMContentListing.self, LLMContentShow.self], defaultSubcommand: LLMContentListing.self)

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
}

/// `pcli llm content`
struct LLMContentListing: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "The newest calls of which it is kept what was said, oldest first.", aliases: ["ls"])

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Option(help: ArgumentHelp("Of this agent.", valueName: "name"), completion: AgentNames.completion) var agent: String?
  @Option(help: ArgumentHelp("Of this model, as the upstream was asked for it.", valueName: "model")) var model: String?
  @Option(help: ArgumentHelp("Only since then: 1h (ago), or an RFC 3339 time.", valueName: "time")) var since: String?
  @Option(help: ArgumentHelp("The newest so many, 1 to 1000.", valueName: "n")) var limit = 50

  func validate() throws {
    guard (1...1000).contains(limit) else { throw ValidationError("--limit is 1 to 1000") }
  }

  func execute(in context: CommandContext) async throws -> Int32 {
    var query: [QueryItem] = [("limit", String(limit))]
    if let agent { query.append(("agent", agent)) }
    if let model { query.append(("model", model)) }
    if let since { query.append(("since", try PointInTime.parse(since, option: "--since", now: context.io.clock.now()).description)) }
    let list: LLMContentList = try await context.withClient { [query] client in try await client.call(.listLLMContent, query: query) }
    for damage in list.damaged { try await context.output.warn(damage) }
    if list.items.isEmpty, context.output.format == .table {
      try await context.output.note("Nothing is kept. A route with ‘contentLog: true’ keeps what is said by it.")
      return 0
    }
    try await context.output.list(try JSONText.value(of: list), names: list.items.map(\.id)) { [Self.table(list.items)] }
    return 0
  }

  /// One row per call. Owners are shown when there is more than one.
  static func table(_ calls: [LLMContentItem]) -> Table {
    let showOwner = Set(calls.map(\.owner)).count > 1
    var table = Table(
      ["TIME", "CALL", "AGENT"] + (showOwner ? ["OWNER"] : []) + ["ROUTE", "MODEL", "STATUS", "REQUEST", "ANSWER"])
    table.rows = calls.map { call in
      [.init(LLMText.moment(call.time)), .init(call.id), .init(call.agent)] + (showOwner ? [.init(call.owner)] : []) + [
        .init(call.route), .init(call.model), status(call.status), .init(LLMContentShow.size(call.requestBytes, call.isRequestTruncated)),
        .init(LLMContentShow.size(call.answerBytes, call.isAnswerTruncated)),
      ]
    }
    return table
  }

  private static func status(_ status: Int?) -> Table.Cell {
    guard let status else { return .init("none", .warning) }
    return .init("\(status)", status < 400 ? .good : .bad)
  }
}

/// `pcli llm content show ID`
struct LLMContentShow: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Show what was asked in a call, and what was answered.",
    discussion: "With ‘-o json’ it is exact; on a terminal what could act on it is shown as an escape.")

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "The call, as ‘pcli llm content’ and the audit trail name it.") var call: String

  func execute(in context: CommandContext) async throws -> Int32 {
    let parameters = ["id": call]
    let content: LLMContent = try await context.withClient { client in try await client.call(.getLLMContent, parameters) }
    try await context.output.result(try JSONText.value(of: content)) { Self.lines(content) }
    return 0
  }

  static func lines(_ content: LLMContent) -> [String] {
    let call = content.call
    var sections = Sections()
    sections.add("Call", call.id)
    sections.add("Time", LLMText.moment(call.time))
    sections.add("Agent", "\(call.agent) of \(call.owner)")
    sections.add("Route", "\(call.route), \(call.path)")
    sections.add("Model", "\(call.model) at \(call.upstream)")
    sections.add("Status", call.status.map { "\($0)" } ?? "none: the agent got no answer")
    sections.add("Request", size(call.requestBytes, call.isRequestTruncated))
    sections.add("Answer", size(call.answerBytes, call.isAnswerTruncated))
    return sections.lines() + ["", "--- request ---"] + lines(content.request) + ["", "--- answer ---"] + lines(content.answer)
  }

  /// A body line by line, harmless for a terminal.
  private static func lines(_ body: LLMContentBody) -> [String] {
    guard let text = body.text else { return ["(no text, in Base64)", TerminalText.safe(body.base64 ?? "")] }
    var lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }.map { TerminalText.safe(String($0)) }
    while lines.last?.isEmpty == true { lines.removeLast() }
    return lines.isEmpty ? ["(empty)"] : lines
  }

  static func size(_ bytes: Int64, _ isTruncated: Bool) -> String { isTruncated ? "\(bytes) (cut)" : "\(bytes)" }
}

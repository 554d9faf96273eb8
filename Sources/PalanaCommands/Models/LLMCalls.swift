import ArgumentParser
import PalanaAPI
import PalanaControlAPI
import PalanaCore

/// `pcli llm calls`
struct LLMCalls: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "calls", abstract: "The newest calls of language models, oldest first.",
    discussion: "The daemon keeps the newest 10,000; ‘pcli audit --component llm’ has those that were refused too.")

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Option(help: ArgumentHelp("Of this agent.", valueName: "name"), completion: AgentNames.completion) var agent: String?
  @Option(help: ArgumentHelp("Of this owner's agents.", valueName: "identity")) var owner: String?
  @Option(help: ArgumentHelp("The newest so many, 1 to 1000.", valueName: "n")) var limit = 50

  func validate() throws {
    guard (1...1000).contains(limit) else { throw ValidationError("--limit is 1 to 1000") }
  }

  func execute(in context: CommandContext) async throws -> Int32 {
    var query: [QueryItem] = [("limit", String(limit))]
    if let agent { query.append(("agent", agent)) }
    if let owner { query.append(("owner", try UserIdentity(owner).raw)) }
    let list: LLMCallList = try await context.withClient { [query] client in try await client.call(.llmCalls, query: query) }
    if list.items.isEmpty, context.output.format == .table {
      try await context.output.note("There were no calls.")
      return 0
    }
    try await context.output.result(list) { [Self.table(list.items)] }
    return 0
  }

  /// One row per call. Owners are shown when there is more than one.
  static func table(_ calls: [LLMCallItem]) -> Table {
    let showOwner = Set(calls.map(\.owner)).count > 1
    var table = Table(
      ["TIME", "AGENT"] + (showOwner ? ["OWNER"] : []) + [
        "ROUTE", "MODEL", "OUTCOME", "INPUT", "OUTPUT", "COST", "TIME TAKEN", "FIRST TOKEN",
      ])
    table.rows = calls.map { call in
      let tone: Table.Tone =
        switch call.outcome {
        case .ok: .good
        case .error: .bad
        case .cancelled, .interrupted: .warning
        }
      return [.init(LLMText.moment(call.time)), .init(call.agent)] + (showOwner ? [.init(call.owner)] : []) + [
        .init(call.route), .init(call.model), .init(call.outcome.rawValue, tone), .init("\(call.tokens.input)"),
        .init("\(call.tokens.output)"), LLMText.cost(call.cost, isKnown: call.isPriceKnown), .init(LLMText.time(call.latencyMs)),
        .init(LLMText.time(call.timeToFirstTokenMs)),
      ]
    }
    return table
  }
}

import ArgumentParser
import PalanaAPI
import PalanaControlAPI
import PalanaCore

extension LLMUsageQuery.Grouping: ExpressibleByArgument {}

/// `pcli llm usage --by agent`
struct LLMUsageShow: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "usage", abstract: "What was used of language models.",
    discussion: "Cached tokens are part of the input, reasoning is part of the output. Days and hours are those of UTC.")

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Option(
    help: ArgumentHelp("agent, owner, model, route, template, investigation, day or hour.", valueName: "what"),
    completion: .list(LLMUsageQuery.Grouping.allCases.map(\.rawValue)))
  var by: LLMUsageQuery.Grouping = .agent
  @Option(help: ArgumentHelp("Only from this hour on: 7d (ago), or an RFC 3339 time.", valueName: "time")) var since: String?
  @Option(help: ArgumentHelp("Only before this time.", valueName: "time")) var until: String?
  @Option(help: ArgumentHelp("Of this agent.", valueName: "name"), completion: AgentNames.completion) var agent: String?
  @Option(help: ArgumentHelp("Of this owner's agents.", valueName: "identity")) var owner: String?
  @Option(help: ArgumentHelp("Of this model, as the upstream was asked for it.", valueName: "model")) var model: String?
  @Option(help: ArgumentHelp("By this route.", valueName: "route")) var route: String?
  @Option(help: ArgumentHelp("At most so many rows, 1 to 1000.", valueName: "n")) var limit = 100

  func validate() throws {
    guard (1...1000).contains(limit) else { throw ValidationError("--limit is 1 to 1000") }
  }

  func execute(in context: CommandContext) async throws -> Int32 {
    let now = context.io.clock.now()
    var query: [QueryItem] = [("by", by.rawValue), ("limit", String(limit))]
    func add(_ name: String, _ value: String?) { if let value { query.append((name, value)) } }
    add("from", try since.map { try PointInTime.parse($0, option: "--since", now: now).description })
    add("to", try until.map { try PointInTime.parse($0, option: "--until", now: now).description })
    add("agent", agent)
    add("owner", try owner.map { try UserIdentity($0).raw })
    add("model", model)
    add("route", route)
    let report: LLMUsageReport = try await context.withClient { [query] client in try await client.call(.llmUsage, query: query) }
    if report.items.isEmpty, context.output.format == .table {
      try await context.output.note("Nothing was used.")
      return 0
    }
    try await context.output.list(try JSONText.value(of: report), names: report.items.map(\.key)) { [Self.table(report)] }
    guard context.output.format == .table else { return 0 }
    if report.items.count > 1 { try await context.output.note(Self.total(report.items)) }
    if report.items.contains(where: { !$0.isPriceKnown }) {
      try await context.output.note("~ has models in it whose price is not known; they are counted at the fallback of the price table.")
    }
    return 0
  }

  /// One row per item.
  static func table(_ report: LLMUsageReport) -> Table {
    let showOwner = report.by == .agent && Set(report.items.map(\.owner)).count > 1
    var table = Table(
      [report.by.rawValue.uppercased()] + (showOwner ? ["OWNER"] : []) + [
        "CALLS", "ERRORS", "REFUSED", "INPUT", "CACHED", "OUTPUT", "REASONING", "COST", "P50", "P95", "FIRST TOKEN",
      ])
    table.rows = report.items.map { item in
      [.init(item.key)] + (showOwner ? [.init(item.owner)] : []) + [
        .init("\(item.calls)"), count(item.errors, .bad), count(item.refused, .warning), .init("\(item.tokens.input)"),
        .init("\(item.tokens.cachedInput)"), .init("\(item.tokens.output)"), .init("\(item.tokens.reasoning)"),
        LLMText.cost(item.cost, isKnown: item.isPriceKnown), .init(LLMText.time(item.latencyMs?.p50)),
        .init(LLMText.time(item.latencyMs?.p95)), .init(LLMText.time(item.timeToFirstTokenMs?.p50)),
      ]
    }
    return table
  }

  private static func count(_ count: Int64, _ tone: Table.Tone) -> Table.Cell { .init("\(count)", count > 0 ? tone : .plain) }

  private static func total(_ items: [LLMUsageItem]) -> String {
    let tokens = items.reduce(TokenUsage()) { $0 + $1.tokens }
    let cost = items.reduce(Cost.zero) { $0 + $1.cost.cost }
    return "Together: \(items.reduce(0) { $0 + $1.calls }) calls, \(tokens.total) tokens, $\(DollarAmount(cost))."
  }
}

import ArgumentParser
import PalanaAPI
import PalanaControlAPI
import PalanaCore

/// `pcli llm budget list`
struct LLMBudgetListing: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Where each limit of each budget stands (what ‘pcli llm budget’ does).", aliases: ["ls"])

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "The name of one budget.") var name: String?

  func execute(in context: CommandContext) async throws -> Int32 {
    let query: [QueryItem] = name.map { [("budget", $0)] } ?? []
    let report: LLMBudgetReport = try await context.withClient { client in try await client.call(.llmBudgets, query: query) }
    if report.items.isEmpty, context.output.format == .table {
      try await context.output.note("There are no budgets: nothing limits what agents use of language models.")
      return 0
    }
    var names: [String] = []
    for item in report.items where names.last != item.budget { names.append(item.budget) }
    let now = context.io.clock.now()
    let bars = context.io.outputIsTerminal
    try await context.output.list(try JSONText.value(of: report), names: names) { [Self.table(report.items, bars: bars, now: now)] }
    return 0
  }

  /// One row per limit of whoever has it.
  static func table(_ items: [LLMBudgetStanding], bars: Bool, now: Timestamp) -> Table {
    Table(
      ["BUDGET", "WHOSE", "LIMIT", "USED", "RESERVED", "SHARE", "RESETS IN"],
      rows: items.map { item in
        let tone: Table.Tone = item.usedPercent >= 100 ? .bad : item.isAtWarning ? .warning : .good
        let share = Age.decimal(item.usedPercent) + "%"
        return [
          .init(item.budget), .init(whose(item)), .init(amount(item.limit, item) + (item.window.map { "/\($0.rawValue)" } ?? "")),
          .init(item.measure == .concurrency ? "" : amount(item.used, item)), .init(amount(item.reserved, item)),
          .init(bars ? "\(LLMText.bar(percent: item.usedPercent)) \(share)" : share, tone),
          .init(item.resetsAt.map { Age.text($0 - now) }),
        ]
      })
  }

  /// An agent, a person, a template; without one, whom the budget counts.
  private static func whose(_ item: LLMBudgetStanding) -> String {
    guard item.scope?.each != nil, let group = item.group else { return ResourceTables.whose(item.scope) }
    guard let agent = item.agent else { return group.isEmpty ? "(none)" : group }
    return item.owner.map { "\(agent) of \($0)" } ?? agent
  }

  private static func amount(_ text: String, _ item: LLMBudgetStanding) -> String {
    switch item.measure {
    case .cost: "$" + text
    case .tokens: "\(text) tokens"
    case .requests: "\(text) requests"
    case .concurrency: "\(text) at once"
    }
  }
}

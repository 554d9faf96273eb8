import ArgumentParser
import PalanaAPI
import PalanaControlAPI
import PalanaCore

extension LLMBudgetScope.Each: ExpressibleByArgument {}

/// `pcli llm budget set NAME --per-day 5USD`
struct LLMBudgetSet: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "set", abstract: "Write a budget; operators only.",
    discussion: """
      What is given is the whole budget: it replaces one of the same name. An amount is 5USD, $0.50, 2000000tokens, 500ktokens, 2Mtokens \
      or 60requests; several of one window are given with commas between, or by giving the option again.
      """)

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "The budget's name.") var name: String
  @Option(parsing: .singleValue, help: ArgumentHelp("What may be used in a minute. Repeatable.", valueName: "amount"))
  var perMinute: [String] = []
  @Option(parsing: .singleValue, help: ArgumentHelp("In an hour.", valueName: "amount")) var perHour: [String] = []
  @Option(parsing: .singleValue, help: ArgumentHelp("In a day, from midnight UTC on.", valueName: "amount")) var perDay: [String] = []
  @Option(parsing: .singleValue, help: ArgumentHelp("In a month, from its first day on.", valueName: "amount"))
  var perMonth: [String] = []
  @Option(help: ArgumentHelp("How many calls may run at once.", valueName: "n")) var concurrency: Int64?
  @Option(help: ArgumentHelp("Only calls of this person's agents.", valueName: "identity")) var owner: String?
  @Option(help: ArgumentHelp("Only calls of this agent; needs --owner.", valueName: "name"), completion: AgentNames.completion)
  var agent: String?
  @Option(help: ArgumentHelp("Only calls of agents of this template.", valueName: "template")) var template: String?
  @Option(help: ArgumentHelp("agent, owner or template: each has the whole limit for itself.", valueName: "what"))
  var each: LLMBudgetScope.Each?
  @Option(
    name: .customLong("model"), parsing: .singleValue,
    help: ArgumentHelp("Only calls of this model, or of models that begin so (gpt-4.1*). Repeatable.", valueName: "model"))
  var models: [String] = []
  @Option(help: ArgumentHelp("From which per cent of a limit on there is a warning (80).", valueName: "percent")) var warnAt: Int?

  func validate() throws {
    guard concurrency != nil || ![perMinute, perHour, perDay, perMonth].allSatisfy(\.isEmpty) else {
      throw ValidationError("give --per-minute, --per-hour, --per-day, --per-month or --concurrency")
    }
  }

  func execute(in context: CommandContext) async throws -> Int32 {
    let budget = try budget
    let result: ApplyResult<LLMBudgetSpec> = try await context.withClient { client in
      try await client.call(.apply, body: try .json(encoding: budget))
    }
    try await context.output.done("llmbudget/\(name) \(result.action.rawValue)", result)
    return 0
  }

  private var budget: LLMBudget {
    get throws {
      let limits = try [
        LLMBudgetAmount.limit(.minute, perMinute), LLMBudgetAmount.limit(.hour, perHour), LLMBudgetAmount.limit(.day, perDay),
        LLMBudgetAmount.limit(.month, perMonth),
      ].compactMap { $0 }
      let scope = LLMBudgetScope(owner: try owner.map { try UserIdentity($0) }, agent: agent, template: template, each: each)
      return LLMBudget(
        metadata: ObjectMeta(name: try ResourceName(name)),
        spec: LLMBudgetSpec(
          scope: scope == LLMBudgetScope() ? nil : scope, models: models.isEmpty ? nil : models, limits: limits.isEmpty ? nil : limits,
          concurrency: concurrency, warnAt: warnAt))
    }
  }
}

/// `pcli llm budget delete NAME`
struct LLMBudgetDelete: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete", abstract: "Delete a budget; operators only.", aliases: ["rm", "remove"])

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "The budget's name.") var name: String

  func execute(in context: CommandContext) async throws -> Int32 {
    let name = try ResourceName(name).text
    let result: DeleteResult = try await context.withClient { client in try await client.call(.deleteBudget, ["name": name]) }
    try await context.output.done("llmbudget/\(name) deleted", result)
    return 0
  }
}

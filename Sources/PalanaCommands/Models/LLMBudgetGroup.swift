import ArgumentParser

/// `pcli llm budget …`
struct LLMBudgetGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "budget", abstract: "Budgets of language models and where they stand.",
    discussion: "‘pcli apply -f’ writes budgets too, ‘pcli get llmbudgets -o yaml’ shows what they say.",
    subcommands: [LLMBudgetListing.self, LLMBudgetSet.self, LLMBudgetDelete.self], defaultSubcommand: LLMBudgetListing.self,
    aliases: ["budgets"])

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
}

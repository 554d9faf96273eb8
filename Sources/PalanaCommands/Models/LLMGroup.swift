import ArgumentParser

/// `pcli llm …`
struct LLMGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "llm", abstract: "Language models: what was used, what was said, budgets, credentials.",
    discussion: """
      Everybody sees what their own agents use; operators see everything, and write budgets and credentials. For example: \
      pcli llm usage --by model --since 7d
      """,
    subcommands: [LLMUsageShow.self, LLMCalls.self, LLMContentGroup.self, LLMBudgetGroup.self, LLMCredentialGroup.self])

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
}

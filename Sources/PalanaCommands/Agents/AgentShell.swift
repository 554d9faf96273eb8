import ArgumentParser
import PalanaCore

/// `pcli shell NAME`
struct AgentShell: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "shell", abstract: "Open a shell inside an agent's sandbox.")

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "The agent's name.", completion: AgentNames.completion) var name: String
  @OptionGroup var session: ExecOptions

  func execute(in context: CommandContext) async throws -> Int32 {
    try await session.run([], in: try ResourceName(name).text, context)
  }
}

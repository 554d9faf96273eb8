import ArgumentParser
import PalanaControlAPI

/// `pcli restart NAME`
struct AgentRestart: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "restart", abstract: "End the agent's present run and start a new one.")

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "The agent's name.", completion: AgentNames.completion) var name: String
  @Flag(help: "Return at once instead of waiting until it runs.") var detach = false

  func execute(in context: CommandContext) async throws -> Int32 {
    try await AgentStart(name: name, detach: detach, operation: .restartAgent, doing: "Restarting").execute(in: context)
  }
}

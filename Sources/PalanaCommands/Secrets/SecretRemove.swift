import ArgumentParser
import PalanaControlAPI
import PalanaCore

/// `pcli secrets rm AGENT NAME`
struct SecretRemove: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "rm", abstract: "Remove a secret and its values.", aliases: ["remove", "delete"])

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "The agent's name.", completion: AgentNames.completion) var agent: String
  @Argument(help: "The secret's name.") var name: String

  func execute(in context: CommandContext) async throws -> Int32 {
    let agent = try ResourceName(agent).text
    let name = name
    let result = try await context.withClient { client in
      try await client.call(.removeSecret, ["name": agent, "secret": name], as: DeleteResult.self)
    }
    try await context.output.done("secret/\(name) of agent/\(agent) removed", result)
    return 0
  }
}

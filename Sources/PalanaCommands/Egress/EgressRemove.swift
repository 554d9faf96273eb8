import ArgumentParser
import PalanaControlAPI
import PalanaCore

/// `pcli egress rm AGENT ID`
struct EgressRemove: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "rm", abstract: "Remove a rule of an agent.", aliases: ["remove", "delete"])

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "The agent's name.", completion: AgentNames.completion) var agent: String
  @Argument(help: "The rule's identifier, from ‘pcli egress list’.") var id: String

  func execute(in context: CommandContext) async throws -> Int32 {
    let agent = try ResourceName(agent).text
    let id = id
    let result = try await context.withClient { client in
      try await client.call(.removeEgressRule, ["name": agent, "id": id], as: DeleteResult.self)
    }
    try await context.output.done("rule \(id) of agent/\(agent) removed", result)
    return 0
  }
}

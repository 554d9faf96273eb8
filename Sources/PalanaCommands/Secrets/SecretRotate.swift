import ArgumentParser
import PalanaControlAPI
import PalanaCore

/// `pcli secrets rotate AGENT NAME KEY=VALUE…`
struct SecretRotate: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "rotate", abstract: "Replace values of a secret; the agent goes on without a restart.")

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "The agent's name.", completion: AgentNames.completion) var agent: String
  @Argument(help: "The secret's name.") var name: String
  @Argument(help: ArgumentHelp("KEY=VALUE, KEY=@FILE, KEY=- or KEY.", valueName: "key=value")) var values: [String]

  func execute(in context: CommandContext) async throws -> Int32 {
    let agent = try ResourceName(agent).text
    let sources = try SecretValues(values)
    let payload = try SecretPayload.rotate(values: try await sources.read(context.io))
    let name = name
    let summary = try await context.withClient { client in
      try await client.call(
        .rotateSecret, ["name": agent, "secret": name], body: .secret(payload), as: SecretSummary.self)
    }
    try await context.output.done("secret/\(summary.name) of agent/\(agent) rotated", summary)
    try await SecretReport.remarkOnHistory(sources, context.output)
    return 0
  }
}

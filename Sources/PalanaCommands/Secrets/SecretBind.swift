import ArgumentParser
import PalanaControlAPI
import PalanaCore

/// `pcli secrets bind AGENT NAME --host …`
struct SecretBind: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "bind", abstract: "Say where a proxy-only secret may go from now on.",
    discussion: "What is given replaces what was: all hosts, all places.")

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "The agent's name.", completion: AgentNames.completion) var agent: String
  @Argument(help: "The secret's name.") var name: String
  @OptionGroup var binding: SecretBindingOptions

  func validate() throws {
    guard !binding.isEmpty else { throw ValidationError("give --host, --in, --require or --token-host") }
  }

  func execute(in context: CommandContext) async throws -> Int32 {
    let agent = try ResourceName(agent).text
    let name = name
    let request = SecretBindRequest(
      hosts: binding.hosts.isEmpty ? nil : binding.hosts, places: binding.places.isEmpty ? nil : binding.places,
      require: binding.require, aws: binding.aws, tokenHosts: binding.tokenHosts.isEmpty ? nil : binding.tokenHosts)
    let summary = try await context.withClient { client in
      try await client.call(
        .bindSecret, ["name": agent, "secret": name], body: try .json(encoding: request), as: SecretSummary.self)
    }
    try await SecretReport(agent: agent, summary: summary).write("bound", context.output)
    return 0
  }
}

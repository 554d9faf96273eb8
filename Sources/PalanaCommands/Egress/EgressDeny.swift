import ArgumentParser
import PalanaAPI

/// `pcli egress deny AGENT HOST[:PORT] …`
struct EgressDeny: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "deny", abstract: "Forbid an agent to reach a host, whatever else allows it.")

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "The agent's name.", completion: AgentNames.completion) var agent: String
  @Argument(help: ArgumentHelp("The host.", valueName: "host[:port]")) var host: String
  @OptionGroup var limits: EgressRuleOptions

  func execute(in context: CommandContext) async throws -> Int32 {
    try await limits.add(.deny, host: host, to: agent, context)
  }
}

import ArgumentParser
import PalanaAPI

/// `pcli egress allow AGENT HOST[:PORT] …`
struct EgressAllow: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "allow", abstract: "Allow an agent to reach a host.")

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "The agent's name.", completion: AgentNames.completion) var agent: String
  @Argument(help: ArgumentHelp("The host.", valueName: "host[:port]")) var host: String
  @OptionGroup var limits: EgressRuleOptions

  func execute(in context: CommandContext) async throws -> Int32 {
    try await limits.add(.allow, host: host, to: agent, context)
  }
}

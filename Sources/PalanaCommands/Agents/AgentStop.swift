import ArgumentParser
import PalanaAPI
import PalanaControlAPI
import PalanaCore

/// `pcli stop NAME`
struct AgentStop: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "stop", abstract: "Stop an agent; its data stays.")

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "The agent's name.", completion: AgentNames.completion) var name: String
  @Flag(help: "Return at once instead of waiting until it has stopped.") var detach = false

  func execute(in context: CommandContext) async throws -> Int32 {
    let label = "agent/\(try ResourceName(name))"
    let (name, detach) = (name, detach)
    let agent = try await context.withClient { client in
      let agent: Agent = try await client.call(.stopAgent, ["name": name])
      guard !detach else { return agent }
      return try await AgentSettling(client: client, output: context.output).stopped(agent, doing: "Stopping \(label)")
    }
    try await context.output.done("\(label) \(detach ? "stopping" : "stopped")", agent)
    return 0
  }
}

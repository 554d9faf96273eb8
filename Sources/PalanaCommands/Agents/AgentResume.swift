import ArgumentParser
import PalanaAPI
import PalanaControlAPI
import PalanaCore

/// `pcli resume NAME`
struct AgentResume: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "resume", abstract: "Start a stopped agent again, with its data.")

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "The agent's name.", completion: AgentNames.completion) var name: String
  @Flag(help: "Return at once instead of waiting until it runs.") var detach = false

  func execute(in context: CommandContext) async throws -> Int32 {
    try await AgentStart(name: name, detach: detach, operation: .resumeAgent, doing: "Resuming").execute(in: context)
  }
}

/// What `resume` and `restart` have in common.
struct AgentStart {
  let name: String
  let detach: Bool
  let operation: PalanaControlAPI.Operation
  let doing: String

  /// Asks for the start and waits for it.
  func execute(in context: CommandContext) async throws -> Int32 {
    let label = "agent/\(try ResourceName(name))"
    let (operation, name, detach, doing) = (operation, name, detach, doing)
    let agent = try await context.withClient { client in
      let agent: Agent = try await client.call(operation, ["name": name])
      guard !detach else { return agent }
      return try await AgentSettling(client: client, output: context.output)
        .started(agent, after: nil, doing: "\(doing) \(label)")
    }
    try await context.output.done(detach ? "\(label) starting" : AgentSettling.sentence(agent), agent)
    return 0
  }
}

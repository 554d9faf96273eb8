import ArgumentParser
import PalanaAPI
import PalanaControlAPI
import PalanaCore

/// `pcli create NAME …`
struct AgentCreate: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "create", abstract: "Create an agent without starting it.",
    discussion:
      "Start it with ‘pcli run NAME’. Limits that are not given come from the template, then from the platform.")

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "The agent's name.") var name: String
  @OptionGroup var shape: AgentShape

  func execute(in context: CommandContext) async throws -> Int32 {
    let agent = try Self.agent(name: name, shape: shape, surroundings: context.io.environment)
    let created = try await context.withClient { client in
      try await client.json(.createAgent, body: try .json(encoding: agent))
    }
    try await context.output.done("agent/\(name) created", created)
    try await context.output.note(
      "Start it with: pcli run \(name)" + (shape.template == nil ? " --template python" : ""))
    return 0
  }

  /// The agent that the options describe, wanted stopped.
  static func agent(name: String, shape: AgentShape, surroundings: [String: String]) throws -> Agent {
    Agent(
      metadata: ObjectMeta(name: try ResourceName(name)),
      spec: AgentSpec(
        template: shape.template, image: shape.image, env: try shape.variables(surroundings),
        resources: try shape.resources(),
        lifecycle: AgentLifecycle(desired: .stopped, restart: shape.restart?.value, idleAfter: try shape.idle())))
  }
}

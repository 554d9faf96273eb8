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
  @Option(
    name: .customLong("label"), parsing: .singleValue,
    help: ArgumentHelp("A label, for policies to select the agent by. Repeatable.", valueName: "K=V"))
  var labels: [String] = []

  func execute(in context: CommandContext) async throws -> Int32 {
    var agent = try Self.agent(name: name, shape: shape, surroundings: context.io.environment)
    agent.metadata.labels = try Self.labels(labels)
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

  /// Reads `NAME=VALUE`; nil when there is none.
  /// - Throws: ``PalanaError`` with code `invalid`.
  static func labels(_ texts: [String]) throws -> [String: String]? {
    guard !texts.isEmpty else { return nil }
    var result: [String: String] = [:]
    for text in texts {
      let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 2, !parts[0].isEmpty else {
        throw PalanaError(.invalid, "‘--label \(text.prefix(40))’ is no label", hint: "write --label NAME=VALUE")
      }
      guard result.updateValue(parts[1], forKey: parts[0]) == nil else {
        throw PalanaError(.invalid, "--label \(parts[0]) is given twice")
      }
    }
    return result
  }
}

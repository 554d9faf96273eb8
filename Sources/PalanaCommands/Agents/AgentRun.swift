import ArgumentParser
import PalanaAPI
import PalanaControlAPI
import PalanaCore

/// `pcli run NAME … [-- COMMAND ARG…]`
struct AgentRun: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Start an agent; create it first when there is none of this name.",
    discussion: """
      Returns when the agent runs. With --wait it returns when the agent's process has ended, with that process's exit code; \
      an agent that ‘run --wait’ creates is not restarted when it fails, unless --restart says so.
      """)

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "The agent's name.", completion: AgentNames.completion) var name: String
  @OptionGroup var shape: AgentShape
  @Flag(help: "Wait until the agent's process has ended; exit with its code.") var wait = false
  @Flag(help: "Return at once instead of waiting until it runs.") var detach = false
  @Argument(
    parsing: .postTerminator, help: ArgumentHelp("What to run instead of the template's command.", valueName: "command")
  )
  var command: [String] = []

  func validate() throws {
    if wait, detach { throw ValidationError("--wait and --detach exclude each other") }
  }

  func execute(in context: CommandContext) async throws -> Int32 {
    let label = "agent/\(try ResourceName(name))"
    var request = RunRequest(
      template: shape.template, image: shape.image, env: try shape.variables(context.io.environment),
      command: command.isEmpty ? nil : command, resources: try shape.resources(), restart: shape.restart?.value,
      idleAfter: try shape.idle())
    let (name, wait, detach) = (name, wait, detach)
    return try await context.withClient { client in
      if wait, request.restart == nil, try await !Self.exists(name, client) { request.restart = .never }
      let ready = request
      let result = try await client.call(
        .runAgent, ["name": name], body: try .json(encoding: ready), as: RunResult.self)
      let settling = AgentSettling(client: client, output: context.output)
      if wait { return try await settling.exit(of: result.agent, after: result.at) }
      guard !detach else {
        try await context.output.done("\(label) \(result.action == .unchanged ? "runs already" : "starting")", result)
        return 0
      }
      let agent = try await settling.started(result.agent, after: result.at, doing: "Starting \(label)")
      try await context.output.done(
        AgentSettling.sentence(agent, unchanged: result.action == .unchanged),
        RunResult(action: result.action, agent: agent, at: result.at))
      return 0
    }
  }

  private static func exists(_ name: String, _ client: ControlClient) async throws -> Bool {
    do {
      _ = try await client.bytes(.getAgent, ["name": name])
      return true
    } catch let error as PalanaError where error.code == .notFound {
      return false
    }
  }
}

import ArgumentParser
import PalanaControlAPI
import PalanaCore

/// `pcli exec NAME -- COMMAND ARG…`
struct AgentExec: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "exec", abstract: "Run a command inside an agent's sandbox.",
    discussion: """
      Standard input, output and error are the command's own, and its exit code is that of pcli (128 plus the signal when a \
      signal ended it). With a terminal on both sides the command gets a terminal too.
      """)

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "The agent's name.", completion: AgentNames.completion) var name: String
  @OptionGroup var session: ExecOptions
  @Argument(parsing: .postTerminator, help: ArgumentHelp("What to run.", valueName: "command"))
  var command: [String] = []

  func validate() throws {
    guard !command.isEmpty else {
      throw ValidationError("say what to run after ‘--’, for example: pcli exec \(name) -- ls /data")
    }
  }

  func execute(in context: CommandContext) async throws -> Int32 {
    try await session.run(command, in: try ResourceName(name).text, context)
  }
}

/// The options of `exec` and `shell`.
struct ExecOptions: ParsableArguments {
  @Flag(
    name: [.customShort("t"), .long], inversion: .prefixedNo,
    help: "Give the command a terminal (otherwise: when input and output are terminals).")
  var tty: Bool?
  @Flag(name: [.customShort("i"), .customLong("stdin")], help: .hidden) var input = false
  @Option(
    name: .customLong("env"), parsing: .singleValue,
    help: ArgumentHelp("A variable for the command. Repeatable.", valueName: "K=V"))
  var environment: [String] = []
  @Option(name: [.customShort("w"), .customLong("workdir")], help: ArgumentHelp("Where to run it.", valueName: "dir"))
  var directory: String?

  /// Runs a command in an agent.
  /// - Parameter command: empty for the user's shell.
  /// - Returns: the command's exit code.
  func run(_ command: [String], in agent: String, _ context: CommandContext) async throws -> Int32 {
    var variables = try Variables.parse(environment, surroundings: context.io.environment)
    let wantsTerminal = tty ?? (context.io.inputIsTerminal && context.io.outputIsTerminal)
    var terminal: ExecStart.TerminalSize?
    if wantsTerminal {
      let size = TerminalMode.size(context.io.input.rawDescriptor) ?? (rows: 24, columns: 80)
      terminal = .init(rows: size.rows, columns: size.columns)
      if let term = context.io.environment["TERM"] {
        variables = (variables ?? [:]).merging(["TERM": term]) { own, _ in own }
      }
    }
    let start = ExecStart(command: command, terminal: terminal, env: variables, workingDirectory: directory)
    return try await context.withClient { client in
      try await ExecSession(client: client, io: context.io, agent: agent, start: start).run()
    }
  }
}

import PalanaCore

/// What a running command works with: its surroundings, its global options, and how it writes.
struct CommandContext: Sendable {
  /// The process's surroundings.
  var io: CommandIO
  /// The global options, shared by all commands.
  var global: GlobalOptions
  /// Where results and remarks go.
  var output: Output

  init(global: GlobalOptions, io: CommandIO) {
    self.io = io
    self.global = global
    let colourless = global.noColor || !(io.environment["NO_COLOR"] ?? "").isEmpty || io.environment["TERM"] == "dumb"
    output = Output(
      format: global.output, quiet: global.quiet, io: io, colourOutput: io.outputIsTerminal && !colourless,
      colourError: io.errorIsTerminal && !colourless)
  }

  /// The installation's folder: `--home`, else `PALANA_HOME`, else `/var/lib/palana`.
  var home: String {
    if let home = global.home { return home }
    if let home = io.environment["PALANA_HOME"], !home.isEmpty { return home }
    return "/var/lib/palana"
  }

  /// Runs `body` with a client of the control API and ends the client's connections afterwards.
  func withClient<Value: Sendable>(
    _ body: (ControlClient) async throws -> Value
  ) async throws -> Value {
    let endpoint = try ControlEndpoint(global: global, home: home, environment: io.environment)
    return try await ControlClient.with(endpoint, body)
  }
}

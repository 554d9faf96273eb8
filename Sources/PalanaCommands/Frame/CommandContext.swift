import PalanaCore

/// What a running command works with: its surroundings, its global options, and how it writes.
struct CommandContext: Sendable {
  /// The process's surroundings.
  var io: CommandIO
  /// The global options, shared by all commands.
  var global: GlobalOptions
  /// Where results and remarks go.
  var output: Output
  /// The installation's folder, absolute: `--home`, else `PALANA_HOME`, else `/var/lib/palana`.
  var home: String

  init(global: GlobalOptions, io: CommandIO) {
    self.io = io
    self.global = global
    // `--home` means the installation on this machine, whatever the environment says.
    if global.server == nil, global.home == nil, let named = io.environment["PALANA_URL"], !named.isEmpty { self.global.server = named }
    if global.caFile == nil, let named = io.environment["PALANA_CA_FILE"], !named.isEmpty { self.global.caFile = named }
    let named = io.environment["PALANA_HOME"].flatMap { $0.isEmpty ? nil : $0 }
    home = LocalFile.absolute(global.home ?? named ?? "/var/lib/palana")
    let colourless = global.noColor || !(io.environment["NO_COLOR"] ?? "").isEmpty || io.environment["TERM"] == "dumb"
    output = Output(
      format: global.output, quiet: global.quiet, io: io, colourOutput: io.outputIsTerminal && !colourless,
      colourError: io.errorIsTerminal && !colourless)
  }

  /// Runs `body` with a client of the control API and ends the client's connections afterwards.
  func withClient<Value: Sendable>(
    _ body: (ControlClient) async throws -> Value
  ) async throws -> Value {
    let endpoint = try ControlEndpoint(global: global, home: home, environment: io.environment)
    return try await ControlClient.with(endpoint, body)
  }
}

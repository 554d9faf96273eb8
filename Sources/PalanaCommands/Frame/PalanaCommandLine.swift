import ArgumentParser
import PalanaCore

/// The whole program apart from its process: arguments in, exit code out.
package enum PalanaCommandLine {
  /// Runs one command with the process's own input, output and environment.
  /// - Parameter arguments: without the program's name.
  /// - Returns: the exit code (`docs/cli.md`, “Exit codes”).
  package static func run(_ arguments: [String]) async -> Int32 {
    await run(arguments, io: .system())
  }

  /// As ``run(_:)``, with other surroundings.
  static func run(_ arguments: [String], io: CommandIO) async -> Int32 {
    do {
      let parsed = try await PCLI.asyncParseAsRoot(arguments)
      if let command = parsed as? any PalanaCommand {
        return try await command.execute(in: CommandContext(global: command.global, io: io))
      }
      // The parser's own commands (help) and groups without a subcommand, which answer with their help.
      var other = parsed
      try other.run()
      return 0
    } catch {
      return await ErrorReport(arguments: arguments, io: io).finish(error)
    }
  }
}

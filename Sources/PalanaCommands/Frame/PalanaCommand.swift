import ArgumentParser

/// A command that does something (as opposed to one that only groups others).
protocol PalanaCommand: AsyncParsableCommand {
  /// The shared options.
  var global: GlobalOptions { get }

  /// Does the work.
  /// - Returns: the exit code; 0 unless the command hands on another process's.
  /// - Throws: `PalanaError`, whose code becomes the exit code.
  func execute(in context: CommandContext) async throws -> Int32
}

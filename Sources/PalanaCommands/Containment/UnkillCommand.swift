import ArgumentParser
import PalanaControlAPI

/// `pcli unkill …`
struct UnkillCommand: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "unkill", abstract: "Take back a kill with exactly this target.")

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @OptionGroup var target: KillTargetOptions
  @Option(help: ArgumentHelp("Why; it stands in the audit trail.", valueName: "text")) var reason: String?

  func execute(in context: CommandContext) async throws -> Int32 {
    try await KillCall(operation: .unkill, verb: "let back")
      .execute(try target.target(), reason: reason ?? "unkill", context)
  }
}

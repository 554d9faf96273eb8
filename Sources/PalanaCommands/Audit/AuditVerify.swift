import ArgumentParser
import PalanaControlAPI
import PalanaCore

/// `pcli audit verify`
struct AuditVerify: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Check that no event was edited, removed or reordered.")

  @OptionGroup(visibility: .hidden) var global: GlobalOptions

  func execute(in context: CommandContext) async throws -> Int32 { 0 }
}

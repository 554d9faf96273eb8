import ArgumentParser
import PalanaCore

/// `pcli logout`
struct LogoutCommand: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "logout", abstract: "Forget who you are.")

  @OptionGroup(visibility: .hidden) var global: GlobalOptions

  func execute(in context: CommandContext) async throws -> Int32 {
    try await context.output.done("Nothing to forget: pcli keeps no session.", ["session": .null] as JSONValue)
    return 0
  }
}

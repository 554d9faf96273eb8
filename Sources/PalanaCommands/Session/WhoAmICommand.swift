import ArgumentParser
import PalanaControlAPI
import PalanaCore

/// `pcli whoami`
struct WhoAmICommand: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "whoami", abstract: "Show who the platform takes you for.")

  @OptionGroup(visibility: .hidden) var global: GlobalOptions

  func execute(in context: CommandContext) async throws -> Int32 {
    let who = try await context.withClient { client in try await client.call(.whoAmI, as: WhoAmI.self) }
    let value = try JSONText.value(of: who)
    try await context.output.result(
      value, lines: { context.output.quiet ? [TerminalText.safe(who.user.raw)] : Self.lines(who) })
    return 0
  }

  /// For people.
  static func lines(_ who: WhoAmI) -> [String] {
    var sections = Sections()
    sections.add("User", who.user.raw)
    sections.add("Role", who.operator ? "operator" : "user")
    sections.add("Acted for by", who.impersonatedBy?.raw)
    sections.add("Known by", who.authentication == .token ? "token" : "local user of this machine")
    sections.add("Installation", who.installation)
    sections.add("Version", who.version)
    return sections.lines()
  }
}

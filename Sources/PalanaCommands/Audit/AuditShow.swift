import ArgumentParser
import PalanaControlAPI
import PalanaCore

/// `pcli audit …`
struct AuditShow: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Show events, oldest first (what ‘pcli audit’ does).")

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @OptionGroup var filter: AuditFilter
  @Flag(name: [.customShort("f"), .long], help: "Go on showing what comes.") var follow = false

  func execute(in context: CommandContext) async throws -> Int32 {
    let query = try filter.query(now: context.io.clock.now(), follow: follow)
    var writer = AuditWriter(output: context.output, follow: follow)
    try await context.withClient { client in
      try await client.lines(.audit, query: query) { line in try await writer.write(line) }
    }
    try await writer.finish()
    return 0
  }
}

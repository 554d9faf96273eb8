import ArgumentParser
import PalanaControlAPI

/// `pcli templates list`
struct TemplateListing: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List templates.", aliases: ["ls"])

  @OptionGroup(visibility: .hidden) var global: GlobalOptions

  func execute(in context: CommandContext) async throws -> Int32 {
    let list = try await context.withClient { client in try await client.json(.listTemplates) }
    try await ResourceListing(kind: .agentTemplate, list: list).write(context)
    return 0
  }
}

import ArgumentParser
import PalanaControlAPI

/// `pcli peer list`
struct PeerListing: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List the rules between agents.", aliases: ["ls"])

  @OptionGroup(visibility: .hidden) var global: GlobalOptions

  func execute(in context: CommandContext) async throws -> Int32 {
    let list = try await context.withClient { client in try await client.json(.listPeeringRules) }
    try await ResourceListing(kind: .peeringRule, list: list).write(context)
    return 0
  }
}

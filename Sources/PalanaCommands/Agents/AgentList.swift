import ArgumentParser
import PalanaControlAPI
import PalanaCore

/// `pcli list`
struct AgentList: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List agents.", aliases: ["ls"])

  @OptionGroup(visibility: .hidden) var global: GlobalOptions

  func execute(in context: CommandContext) async throws -> Int32 {
    let list = try await context.withClient { client in try await client.json(.listAgents) }
    if list["items"]?.array?.isEmpty ?? true, context.output.format == .table {
      try await context.output.note("There is no agent yet; make one with ‘pcli create NAME’.")
      return 0
    }
    try await ResourceListing(kind: .agent, list: list).write(context)
    return 0
  }
}

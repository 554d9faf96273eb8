import ArgumentParser
import PalanaCore

/// `pcli get KIND [NAME]`
struct ResourceGet: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "get", abstract: "Show resources of one kind.",
    discussion: """
      KIND is agent, template, egresspolicy, peeringrule, llmbudget, secretbinding or killorder; plural and short forms work too. \
      What -o yaml prints can be given back to ‘pcli apply -f’.
      """)

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "A kind, or KIND/NAME.", completion: .list(KindName.allCases.map(\.word))) var kind: String
  @Argument(help: "The name of one resource.") var name: String?

  func execute(in context: CommandContext) async throws -> Int32 {
    if let reference = try reference {
      let object = try await context.withClient { client in
        try await client.json(reference.kind.get, ["name": reference.name])
      }
      let table = try ResourceTables.table(reference.kind, [object], now: context.io.clock.now())
      try await context.output.result(object, table: { [table] })
      return 0
    }
    let kind = try KindName(spelled: kind)
    let list = try await context.withClient { client in try await client.json(kind.list) }
    try await ResourceListing(kind: kind, list: list).write(context)
    return 0
  }

  private var reference: ResourceReference? {
    get throws {
      if let name { return try ResourceReference([kind, name]) }
      return kind.contains("/") ? try ResourceReference([kind]) : nil
    }
  }
}

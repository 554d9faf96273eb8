import ArgumentParser
import PalanaControlAPI
import PalanaCore

/// `pcli llm credential …`
struct LLMCredentialGroup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "credential", abstract: "The keys with which routes prove themselves to providers; operators only.",
    discussion: """
      These are the keys that all agents share. A route with its credential's scope agent takes each agent's own: \
      pcli secrets add AGENT NAME value=- --no-host
      """,
    subcommands: [LLMCredentialSet.self, LLMCredentialListing.self, LLMCredentialDelete.self], aliases: ["credentials"])

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
}

/// `pcli llm credential set ROUTE SECRET`
struct LLMCredentialSet: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "set", abstract: "Store a credential of a route, or give it another value.",
    discussion: "The value comes from standard input, or from a file. On a terminal it is asked for without showing what is typed.")

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "The route's name.") var route: String
  @Argument(help: "The secret's name, as the route's configuration says it.") var secret: String
  @Option(help: ArgumentHelp("Read the value from this file.", valueName: "file"), completion: .file()) var fromFile: String?
  @Option(help: ArgumentHelp("Which key of the secret, where the route uses several.", valueName: "key")) var key: String?

  func execute(in context: CommandContext) async throws -> Int32 {
    let name = "credential"
    let values = try await SecretValues([fromFile.map { "\(name)=@\($0)" } ?? "\(name)=-"]).read(context.io)
    guard let value = values[name] else { throw PalanaError(.invalid, "there is no value") }
    let payload = try LLMCredentialRequest.payload(value: value, key: key)
    let parameters = ["route": route, "secret": secret]
    let item: LLMCredentialItem = try await context.withClient { client in
      try await client.call(.setLLMCredential, parameters, body: .secret(payload))
    }
    try await context.output.done("credential \(item.secret) of route \(item.route) stored", item)
    return 0
  }
}

/// `pcli llm credential list`
struct LLMCredentialListing: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List the credentials that routes use, without values.", aliases: ["ls"])

  @OptionGroup(visibility: .hidden) var global: GlobalOptions

  func execute(in context: CommandContext) async throws -> Int32 {
    let list: LLMCredentialList = try await context.withClient { client in try await client.call(.listLLMCredentials) }
    if list.items.isEmpty, context.output.format == .table {
      try await context.output.note("No route uses a credential.")
      return 0
    }
    try await context.output.list(try JSONText.value(of: list), names: list.items.map { "\($0.route)/\($0.secret)" }) {
      [Self.table(list.items)]
    }
    return 0
  }

  /// One row per secret of a route.
  static func table(_ items: [LLMCredentialItem]) -> Table {
    Table(
      ["ROUTE", "SECRET", "KEY", "SCOPE", "UPSTREAMS", "STATE"],
      rows: items.map { item in
        let tone: Table.Tone =
          switch item.state {
          case .stored: .good
          case .missing: .bad
          case .unused: .warning
          case .perAgent: .plain
          }
        return [
          .init(item.route), .init(item.secret), .init(item.keys.joined(separator: ",")), .init(item.scope.rawValue),
          .init(item.upstreams.joined(separator: ",")), .init(item.state.rawValue, tone),
        ]
      })
  }
}

/// `pcli llm credential delete ROUTE SECRET`
struct LLMCredentialDelete: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete", abstract: "Remove a credential of a route with its values.", aliases: ["rm", "remove"])

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "The route's name.") var route: String
  @Argument(help: "The secret's name.") var secret: String

  func execute(in context: CommandContext) async throws -> Int32 {
    let parameters = ["route": route, "secret": secret]
    let result: DeleteResult = try await context.withClient { client in try await client.call(.deleteLLMCredential, parameters) }
    try await context.output.done("credential \(secret) of route \(route) removed", result)
    return 0
  }
}

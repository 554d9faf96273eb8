import ArgumentParser
import PalanaAPI
import PalanaControlAPI
import PalanaCore

/// `pcli secrets list AGENT`
struct SecretListing: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List an agent's secrets, without values.", aliases: ["ls"])

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "The agent's name.", completion: AgentNames.completion) var agent: String

  func execute(in context: CommandContext) async throws -> Int32 {
    let agent = try ResourceName(agent).text
    let list = try await context.withClient { client in
      try await client.call(.listSecrets, ["name": agent], as: SecretList.self)
    }
    if list.items.isEmpty, context.output.format == .table {
      try await context.output.note("agent/\(agent) has no secrets.")
      return 0
    }
    try await context.output.list(try JSONText.value(of: list), names: list.items.map(\.name)) {
      [Self.table(list, now: context.io.clock.now())]
    }
    return 0
  }

  /// One row per key.
  static func table(_ list: SecretList, now: Timestamp) -> Table {
    var table = Table(["NAME", "KEY", "ACCESS", "AGENT SEES", "VARIABLE", "HOSTS", "IN", "AGE"])
    for secret in list.items {
      for key in secret.keys {
        let inert = secret.access == .proxyOnly && secret.hosts.isEmpty
        let path = secret.keys.count == 1 ? secret.name : "\(secret.name)/\(key.key)"
        table.rows.append([
          .init(secret.name), .init(key.key), .init(SecretReport.access(secret)),
          .init(secret.access == .agentReadable ? "/run/secrets/\(path)" : key.placeholder), .init(key.variable),
          inert ? .init("unbound", .warning) : .init(secret.hosts.joined(separator: ",")),
          .init(SecretReport.places(secret, separator: ",")), .init(Age.text(since: secret.createdAt, now: now)),
        ])
      }
    }
    return table
  }
}

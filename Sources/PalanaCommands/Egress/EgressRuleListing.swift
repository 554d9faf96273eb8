import ArgumentParser
import PalanaAPI
import PalanaControlAPI
import PalanaCore

/// `pcli egress list AGENT`
struct EgressRuleListing: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List every rule that applies to an agent.", aliases: ["ls"])

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Argument(help: "The agent's name.", completion: AgentNames.completion) var agent: String

  func execute(in context: CommandContext) async throws -> Int32 {
    let agent = try ResourceName(agent).text
    let list = try await context.withClient { client in
      try await client.call(.listEgressRules, ["name": agent], as: EgressRuleList.self)
    }
    if list.items.isEmpty, context.output.format == .table {
      try await context.output.note("No rule applies to agent/\(agent): it may reach nothing outside.")
      return 0
    }
    try await context.output.list(try JSONText.value(of: list), names: list.items.compactMap(\.rule.id)) {
      [Self.table(list)]
    }
    return 0
  }

  /// One row per rule.
  static func table(_ list: EgressRuleList) -> Table {
    Table(
      ["ID", "ACTION", "HOST", "PORTS", "METHODS", "PATHS", "SCHEMES", "FROM"],
      rows: list.items.map { entry in
        let rule = entry.rule
        func joined(_ values: [String]?, none: String) -> Table.Cell {
          guard let values, !values.isEmpty else { return .init(none) }
          return .init(values.joined(separator: ","))
        }
        return [
          .init(rule.id), .init((rule.action ?? .allow).rawValue, rule.action == .deny ? .bad : .good),
          .init(rule.host),
          joined(rule.ports?.map(String.init), none: "443,80"), joined(rule.methods, none: "any"),
          rule.git.map { .init(EgressRuleText.text($0, denies: rule.action == .deny)) } ?? joined(rule.paths, none: "any"),
          joined(rule.schemes, none: "any"), .init(entry.source),
        ]
      })
  }
}

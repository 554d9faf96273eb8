import FoundationEssentials
import PalanaAPI
import PalanaCore

/// The columns of each kind.
enum ResourceTables {
  /// A table of objects of one kind.
  /// - Parameter objects: as the server sent them.
  /// - Throws: ``PalanaError`` with code `failed` when an object is not of this kind.
  static func table(_ kind: KindName, _ objects: [JSONValue], now: Timestamp) throws -> Table {
    switch kind {
    case .agent: AgentTable.table(try decode(objects), now: now)
    case .agentTemplate: TemplateTable.table(try decode(objects))
    case .egressPolicy: policies(try decode(objects), now)
    case .llmBudget: budgets(try decode(objects), now)
    case .peeringRule: peers(try decode(objects), now)
    case .secretBinding: bindings(try decode(objects), now)
    case .killOrder: orders(try decode(objects), now)
    }
  }

  /// Objects as their Swift type.
  static func decode<Spec: ResourceSpec>(_ objects: [JSONValue]) throws -> [Resource<Spec>] {
    try objects.map { object in
      do { return try JSONDecoder().decode(Resource<Spec>.self, from: Data(JSONText.compact(object).utf8)) } catch {
        throw PalanaError(
          .failed, "the server's \(Spec.kind) is not what this version of pcli knows",
          hint: "compare the versions: pcli --version, pcli status")
      }
    }
  }

  private static func policies(_ items: [EgressPolicy], _ now: Timestamp) -> Table {
    Table(
      ["NAME", "AGENTS", "RULES", "AGE"],
      rows: items.map { item in
        [
          .init(item.metadata.name.text), .init(selector(item.spec.selector)), .init("\(item.spec.rules.count)"),
          .init(Age.text(since: item.metadata.creationTimestamp, now: now)),
        ]
      })
  }

  private static func selector(_ selector: AgentSelector?) -> String {
    var parts: [String] = []
    func add(_ name: String, _ values: [String]?) {
      if let values, !values.isEmpty { parts.append("\(name)=\(values.joined(separator: ","))") }
    }
    add("agent", selector?.agents)
    add("owner", selector?.owners?.map(\.raw))
    add("template", selector?.templates)
    add("label", selector?.matchLabels?.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value)" })
    return parts.isEmpty ? "all" : parts.joined(separator: " ")
  }

  /// The table of `peer list` too.
  static func peers(_ items: [PeeringRule], _ now: Timestamp) -> Table {
    Table(
      ["NAME", "FROM", "TO", "PORTS", "OWNER", "AGE"],
      rows: items.map { item in
        [
          .init(item.metadata.name.text), .init(item.spec.from), .init(item.spec.to),
          .init(item.spec.ports.map(String.init).joined(separator: ",")), .init(item.spec.owner?.raw),
          .init(Age.text(since: item.metadata.creationTimestamp, now: now)),
        ]
      })
  }

  private static func budgets(_ items: [LLMBudget], _ now: Timestamp) -> Table {
    Table(
      ["NAME", "WHOSE", "MODELS", "LIMITS", "AT ONCE", "AGE"],
      rows: items.map { item in
        let models = item.spec.models ?? []
        return [
          .init(item.metadata.name.text), .init(whose(item.spec.scope)), .init(models.isEmpty ? "all" : models.joined(separator: ",")),
          .init((item.spec.limits ?? []).map(limit).joined(separator: " ")), .init(item.spec.concurrency.map(String.init)),
          .init(Age.text(since: item.metadata.creationTimestamp, now: now)),
        ]
      })
  }

  /// Whose calls a budget counts.
  static func whose(_ scope: LLMBudgetScope?) -> String {
    let parts = [
      scope?.each.map { "each \($0.rawValue)" }, scope?.owner.map { "owner=\($0.raw)" }, scope?.agent.map { "agent=\($0)" },
      scope?.template.map { "template=\($0)" },
    ].compactMap { $0 }
    return parts.isEmpty ? "all" : parts.joined(separator: " ")
  }

  /// For example `$5/day,1000tokens/day`.
  private static func limit(_ limit: LLMBudgetLimit) -> String {
    [
      limit.cost.map { ($0.description.hasPrefix("$") ? "" : "$") + $0.description }, limit.tokens.map { "\($0)tokens" },
      limit.requests.map { "\($0)requests" },
    ].compactMap { $0 }.map { "\($0)/\(limit.window.rawValue)" }.joined(separator: ",")
  }

  private static func bindings(_ items: [SecretBinding], _ now: Timestamp) -> Table {
    Table(
      ["NAME", "AGENT", "SECRET", "ACCESS", "HOSTS", "AGE"],
      rows: items.map { item in
        [
          .init(item.metadata.name.text), .init(item.spec.agent), .init(item.spec.secret),
          .init(item.spec.access.rawValue), .init(item.spec.hosts.joined(separator: ",")),
          .init(Age.text(since: item.metadata.creationTimestamp, now: now)),
        ]
      })
  }

  private static func orders(_ items: [KillOrder], _ now: Timestamp) -> Table {
    Table(
      ["NAME", "TARGET", "BY", "REASON", "AGE"],
      rows: items.map { item in
        [
          .init(item.metadata.name.text, .bad), .init(target(item.spec.target)), .init(item.spec.by.raw),
          .init(item.spec.reason), .init(Age.text(since: item.spec.at, now: now)),
        ]
      })
  }

  private static func target(_ target: KillOrderSpec.Target) -> String {
    switch target {
    case .agent(let id): "agent \(id)"
    case .owner(let owner): "owner \(owner)"
    case .template(let name): "template \(name)"
    case .all: "all"
    }
  }
}

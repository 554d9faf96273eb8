import PalanaAPI
import PalanaControlAPI
import PalanaCore

/// What `pcli describe` shows of an agent.
struct AgentDescription {
  let client: ControlClient
  let name: String

  /// What stands in the agent itself.
  static func sections(_ agent: Agent, now: Timestamp) -> Sections {
    var sections = Sections()
    let (spec, status) = (agent.spec, agent.status)
    sections.add("Name", agent.metadata.name.text)
    sections.add("Owner", spec.owner?.raw)
    sections.add("Labels", agent.metadata.labels?.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" })
    sections.add("Created", agent.metadata.creationTimestamp.map { "\($0) (\(Age.text(since: $0, now: now)) ago)" })
    sections.add("Phase", AgentTable.phase(agent).text)
    sections.add("Wanted", spec.lifecycle?.desired?.rawValue)
    sections.add("Template", spec.template)
    sections.add("Image", spec.image)
    sections.add("Command", spec.command.map(CommandText.text))
    sections.add("Limits", LimitText.text(spec.resources))
    sections.add("Restart", spec.lifecycle?.restart?.rawValue)
    sections.add("Idle after", spec.lifecycle?.idleAfter?.description)
    sections.add("Reasoning", LimitText.text(spec.reasoning))
    if !agent.isIdle, let warned = agent.metadata.annotations?[IdleAnnotation.warned].flatMap({ Timestamp(parsing: $0) }),
      warned >= status?.lastActivity ?? warned, status?.phase == .running
    {
      sections.add("Idle", "warned \(Age.text(since: warned, now: now)) ago; it is stopped soon unless it does something")
    }
    sections.add("Variables", spec.env?.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" })
    sections.add("Ports", spec.ports?.map { "\($0.name) \($0.port)\($0.browser == true ? " (browser)" : "")" })
    sections.add("Address", status?.address?.description)
    sections.add("Started", status?.startedAt.map { "\($0) (\(Age.text(since: $0, now: now)) ago)" })
    sections.add(
      "Restarts", status?.restarts.map { "\($0)" + (status?.oomKills.map { $0 > 0 ? ", \($0) out of memory" : "" } ?? "") })
    if let exit = status?.lastExit {
      sections.add("Last exit", AgentTable.lastExit(exit, now: now).text + (exit.message.map { ": \($0)" } ?? ""))
    }
    sections.add("Usage", usage(status?.usage))
    sections.add("Last activity", status?.lastActivity.map { "\(Age.text(since: $0, now: now)) ago" })
    sections.add(
      "Conditions", status?.conditions?.map { "\($0.type)=\($0.status.rawValue) \($0.reason): \($0.message)" })
    return sections
  }

  private static func usage(_ usage: AgentStatus.Usage?) -> String? {
    guard let usage else { return nil }
    let parts = [
      usage.memoryBytes.map { "memory \(ByteText.text($0))" }, usage.cpuSeconds.map { "cpu \(Age.decimal($0)) s" },
      usage.pids.map { "pids \($0)" }, usage.dataBytes.map { "data \(ByteText.text($0))" },
    ].compactMap { $0 }
    return parts.isEmpty ? nil : parts.joined(separator: ", ")
  }

  /// The rules that apply.
  func rules() async throws -> [String] {
    let list: EgressRuleList = try await client.call(.listEgressRules, ["name": name])
    guard !list.items.isEmpty else { return ["nothing is allowed"] }
    return list.items.map {
      "\(($0.rule.action ?? .allow).rawValue) \(EgressRuleText.text($0.rule)) (\($0.source)\($0.rule.id.map { " " + $0 } ?? ""))"
    }
  }

  /// The names of its secrets with where they go.
  func secrets() async throws -> [String] {
    let list: SecretList = try await client.call(.listSecrets, ["name": name])
    return list.items.map { secret in
      let hosts =
        secret.hosts.isEmpty ? (secret.access == .proxyOnly ? "unbound" : "") : secret.hosts.joined(separator: ", ")
      return "\(secret.name) (\(secret.access.rawValue))" + (hosts.isEmpty ? "" : " \(hosts)")
    }
  }

  /// The newest events of its life.
  func events(now: Timestamp) async throws -> [String] {
    var events: [String] = []
    let query: [QueryItem] = [("agent", name), ("component", "lifecycle"), ("limit", "5")]
    try await client.lines(.audit, query: query) { line in
      let event = try JSONValue(parsing: line)
      let time = event["time"]?.string.flatMap { Timestamp(parsing: $0) }
      let parts = [event["action"]?.string, event["decision"]?.string, event["reason"]?.string].compactMap { $0 }
      events.append("\(Age.text(since: time, now: now)) ago  \(parts.joined(separator: " "))")
    }
    return events
  }
}

/// Amounts of bytes for people.
enum ByteText {
  /// For example `512 B`, `1.4 MiB`.
  static func text(_ bytes: Int64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"]
    guard bytes >= 1024 else { return "\(bytes) B" }
    var value = Double(bytes)
    var unit = ""
    for next in units where value >= 1024 {
      value /= 1024
      unit = next
    }
    return "\(Age.decimal(value)) \(unit)"
  }
}

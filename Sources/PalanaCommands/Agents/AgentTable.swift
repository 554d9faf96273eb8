import PalanaAPI
import PalanaCore

/// The columns of `pcli list`.
enum AgentTable {
  /// One row per agent. Owners are shown when there is more than one.
  static func table(_ agents: [Agent], now: Timestamp) -> Table {
    let showOwner = Set(agents.map(\.spec.owner)).count > 1
    var table = Table(
      ["NAME", "PHASE", "TEMPLATE", "ADDRESS", "RESTARTS", "AGE", "LAST EXIT"] + (showOwner ? ["OWNER"] : []))
    table.rows = agents.map { agent in
      let status = agent.status
      let template = agent.spec.template ?? agent.spec.image.flatMap { $0.isEmpty ? nil : $0 }
      return [
        .init(agent.metadata.name.text), phase(agent), .init(template), .init(status?.address?.description),
        .init("\(status?.restarts ?? 0)"), .init(Age.text(since: agent.metadata.creationTimestamp, now: now)),
        lastExit(status?.lastExit, now: now),
      ] + (showOwner ? [.init(agent.spec.owner?.raw)] : [])
    }
    return table
  }

  /// The phase, or `Deleting`.
  static func phase(_ agent: Agent) -> Table.Cell {
    if agent.metadata.deletionTimestamp != nil { return .init("Deleting", .faint) }
    guard let phase = agent.status?.phase else { return .init("Pending", .warning) }
    let tone: Table.Tone =
      switch phase {
      case .running: .good
      case .pending: .warning
      case .failed, .killed: .bad
      case .stopped, .idle: .faint
      }
    guard isEscalated(agent) else { return .init(phase.rawValue, tone) }
    return .init("\(phase.rawValue), Escalated", .bad)
  }

  /// Whether the LLM gateway took its present run, or its last one, for stuck.
  private static func isEscalated(_ agent: Agent) -> Bool {
    agent.status?.conditions?.contains { $0.type == Condition.escalated && $0.status == .isTrue } ?? false
  }

  /// For example `0 Completed 5m ago`.
  static func lastExit(_ exit: AgentStatus.LastExit?, now: Timestamp) -> Table.Cell {
    guard let exit else { return .init("") }
    return .init(
      "\(exit.code) \(exit.reason) \(Age.text(since: exit.time, now: now)) ago", exit.code == 0 ? .plain : .bad)
  }
}

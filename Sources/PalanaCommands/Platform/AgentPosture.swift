import FoundationEssentials
import PalanaControlAPI
import PalanaCore

/// What an attack on an agent came to, family by family.
struct AgentPosture: Encodable, Sendable {
  struct Row: Encodable, Sendable {
    var family: AttackFamily
    var cases = 0
    var held = 0
    var broken = 0
    var notApplicable = 0

    mutating func count(_ verdict: AttackRecord.Verdict) {
      cases += 1
      switch verdict {
      case .held: held += 1
      case .broken: broken += 1
      case .notApplicable: notApplicable += 1
      }
    }
  }

  var agent: String
  var families: [Row]
  /// By family, then in the order in which they ended.
  var cases: [AttackRecord]

  init(agent: String, _ records: [AttackRecord]) {
    self.agent = agent
    let groups = Dictionary(grouping: records, by: \.family)
    cases = AttackFamily.allCases.flatMap { groups[$0] ?? [] }
    families = AttackFamily.allCases.compactMap { family in
      guard let records = groups[family] else { return nil }
      return records.reduce(into: Row(family: family)) { $0.count($1.verdict) }
    }
  }

  var broken: [AttackRecord] { cases.filter { $0.verdict == .broken } }

  /// The table, and below it everything that is broken.
  /// - Parameter all: also why cases are not applicable.
  func lines(colour: Bool, all: Bool) -> [String] {
    var table = Table(["FAMILY", "CASES", "HELD", "BROKEN", "NOT APPLICABLE"])
    for row in families {
      table.rows.append([
        .init(row.family.rawValue), .init("\(row.cases)"), .init("\(row.held)", row.held == 0 ? .plain : .good),
        .init("\(row.broken)", row.broken == 0 ? .plain : .bad), .init("\(row.notApplicable)"),
      ])
    }
    var lines = table.lines(colour: colour)
    for record in broken {
      lines += [
        "", TerminalText.safe("BROKEN  \(record.family.rawValue)/\(record.name)"), TerminalText.safe("  claim  \(record.claim)"),
        TerminalText.safe("  sent   \(record.sent)"), TerminalText.safe("  came   \(record.came)"),
      ]
      if let advice = record.advice { lines.append(TerminalText.safe("  do     \(advice)")) }
    }
    let silent = cases.filter { $0.verdict == .notApplicable }
    if all, !silent.isEmpty {
      lines.append("")
      for (why, group) in Dictionary(grouping: silent, by: \.came).sorted(by: { $0.key < $1.key }) {
        lines.append(
          TerminalText.safe("Not applicable, \(why): \(group.map { "\($0.family.rawValue)/\($0.name)" }.joined(separator: ", "))"))
      }
    }
    return lines
  }
}

/// Attacks an agent through the control API.
enum AgentAttack {
  /// - Throws: ``PalanaError``: what stood in the way; `failed` when the answer ended early.
  static func run(_ agent: String, _ context: CommandContext) async throws -> AgentPosture {
    let records = try await Progress.run("attacking \(agent) from its own network", context.output) { progress in
      try await context.withClient { client in
        var records: [AttackRecord] = []
        try await client.lines(.attackAgent, ["name": agent]) { line in
          guard let record = try? JSONDecoder().decode(AttackRecord.self, from: Data(line)) else {
            throw PalanaError(.failed, "the server sent a line that is no result of an attack")
          }
          records.append(record)
          await progress.say("attacking \(agent) from its own network: \(records.count) of \(record.of) cases")
        }
        return records
      }
    }
    guard let first = records.first, records.count == first.of else {
      throw PalanaError(
        .failed, "the attack broke off after \(records.count) of \(records.first?.of ?? 0) cases", hint: "the daemon's log says more")
    }
    return AgentPosture(agent: agent, records)
  }
}

import Foundation
import GRDB
import PalanaAudit
import PalanaCore

/// An `AuditQuery` as SQL. Every value is an argument, never text of the statement.
struct AuditSelect {
  private var conditions: [String] = []
  private var arguments = StatementArguments()

  init(_ query: AuditQuery, scope: AuditScope) {
    switch scope {
    case .everything: break
    case .owner(let owner):
      add("(owner = ? OR (agent_id IS NULL AND actor = ?))", [owner.raw, owner.raw])
    }
    if let agent = query.agent { addAgent(agent) }
    if let owner = query.owner { add("owner = ?", [owner.raw]) }
    if let host = query.host { addHost(host.lowercased()) }
    if let component = query.component { add("component = ?", [component.rawValue]) }
    if let decision = query.decision { add("decision = ?", [decision.rawValue]) }
    if let severity = query.severity {
      severity == .normal ? add("severity IS NULL", []) : add("severity = ?", [severity.rawValue])
    }
    if let pod = query.pod { add("pod = ?", [pod]) }
    if let since = query.since { add("time >= ?", [since.microseconds]) }
    if let until = query.until { add("time < ?", [until.microseconds]) }
    if let before = query.beforeSeq { add("seq < ?", [before]) }
  }

  private mutating func add(_ condition: String, _ values: StatementArguments) {
    conditions.append(condition)
    arguments += values
  }

  private mutating func addAgent(_ agent: String) {
    // What looks like an identifier may also be somebody's choice of a name.
    if AgentID(parsing: agent) != nil, let dash = agent.lastIndex(of: "-") {
      add("(agent_name = ? OR (agent_name = ? AND agent_id = ?))", [agent, String(agent[..<dash]), agent])
    } else {
      add("agent_name = ?", [agent])
    }
  }

  private mutating func addHost(_ host: String) {
    guard host.hasPrefix("*.") || host.hasPrefix("**.") else { return add("host = ?", [host]) }
    let suffix = host.drop { $0 == "*" }
    let escaped = suffix.reduce(into: "") { text, character in
      if character == "\\" || character == "%" || character == "_" { text.append("\\") }
      text.append(character)
    }
    add("host LIKE ? ESCAPE '\\'", ["%" + escaped])
  }

  /// The newest `limit` matches (after `seq`: the oldest ones behind it), oldest first.
  /// - Parameter end: the last record that is looked at; nil: any.
  func records(_ db: Database, after seq: Int64?, through end: Int64? = nil, limit: Int) throws -> [AuditRecord] {
    var select = self
    if let seq { select.add("seq > ?", [seq]) }
    if let end { select.add("seq <= ?", [end]) }
    let filter = select.filter
    let order = seq == nil ? "DESC" : "ASC"
    let rows = try Row.fetchAll(
      db, sql: "SELECT seq, time, body, prev, hash FROM event \(filter) ORDER BY seq \(order) LIMIT ?",
      arguments: select.arguments + [limit])
    let records = rows.map(Self.record)
    return seq == nil ? records.reversed() : records
  }

  private var filter: String { conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND ") }

  /// The number of the oldest one among the newest `count` matches up to `end`; nil when nothing matches.
  func start(_ db: Database, ofNewest count: Int, through end: Int64) throws -> Int64? {
    var select = self
    select.add("seq <= ?", [end])
    return try Int64.fetchOne(
      db, sql: "SELECT min(seq) FROM (SELECT seq FROM event \(select.filter) ORDER BY seq DESC LIMIT ?)",
      arguments: select.arguments + [count])
  }

  /// Reads what a row holds without trusting it: somebody may have changed the file.
  private static func record(_ row: Row) -> AuditRecord {
    func hash(_ column: String) -> String {
      (Data.fromDatabaseValue(row[column]).flatMap { AuditChain.Hash($0) } ?? .zero).description
    }
    let body = String.fromDatabaseValue(row["body"])
    // A line break would make two lines of one record.
    let isLine = body.map { !$0.utf8.contains { $0 < 32 } } ?? false
    let event = body.flatMap { try? JSONDecoder().decode(AuditEvent.self, from: Data($0.utf8)) }
    return AuditRecord(
      seq: row["seq"], event: event ?? unreadable(row), prevHash: hash("prev"), hash: hash("hash"),
      stored: event != nil && isLine ? body : nil)
  }

  /// A malformed row is shown as what it is, so that it neither hides nor blocks the others.
  private static func unreadable(_ row: Row) -> AuditEvent {
    AuditEvent(
      time: Timestamp(microseconds: Int64.fromDatabaseValue(row["time"]) ?? 0), component: .policy,
      action: "unreadable", decision: .error, severity: .critical, reason: "audit_record_unreadable")
  }
}

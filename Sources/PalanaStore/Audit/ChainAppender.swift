import Foundation
import GRDB
import PalanaAudit
import PalanaCore

/// Adds events to the end of the chain inside one transaction. Not thread-safe: it lives within one write.
struct ChainAppender {
  private let db: Database
  private let insert: Statement
  private(set) var seq: Int64
  private(set) var hash: AuditChain.Hash
  private var scratch: [UInt8] = []

  init(_ db: Database) throws {
    self.db = db
    guard let row = try Row.fetchOne(db, sql: "SELECT seq, hash FROM head WHERE id = 1") else {
      throw PalanaError(.failed, "the audit database has lost its head", hint: "run `pcli audit verify`")
    }
    seq = row["seq"]
    hash = try AuditChain.Hash(column: row["hash"])
    insert = try db.cachedStatement(
      sql: """
        INSERT INTO event
          (seq, time, component, decision, severity, agent_id, agent_name, owner, actor, host, body, prev, hash, pod, taken)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """)
  }

  /// Adds an event.
  /// - Parameters:
  ///   - line: where its texts are.
  ///   - body: the event's own line, without the line break.
  ///   - taken: when it was collected; nil: it is this log's own.
  mutating func append(_ line: AuditLine, _ body: Span<UInt8>, taken: Timestamp? = nil) throws {
    let next = seq + 1
    let nextHash = AuditChain.hash(seq: next, event: body, previous: hash, scratch: &scratch)
    let binding = StatementBinding(insert)
    try binding.bind(1, next)
    try binding.bind(2, line.time.microseconds)
    try binding.bind(3, line.component, of: body)
    try binding.bind(4, line.decision, of: body)
    try binding.bind(5, line.severity, of: body)
    try binding.bind(6, line.agentID, of: body)
    try binding.bind(7, line.agentName, of: body)
    try binding.bind(8, line.owner, of: body)
    try binding.bind(9, line.actor, of: body)
    try binding.bind(10, line.host, of: body)
    try binding.bind(11, AuditLine.Text(range: 0..<body.count, isEscaped: false), of: body)
    try binding.bind(12, blob: hash.bytes)
    try binding.bind(13, blob: nextHash.bytes)
    try binding.bind(14, line.pod, of: body)
    if let taken { try binding.bind(15, taken.microseconds) }
    try binding.run()
    seq = next
    hash = nextHash
  }

  /// Adds an event that the log itself makes.
  mutating func append(_ event: AuditEvent) throws {
    var bytes: [UInt8] = []
    AuditEncoder.encode(event, into: &bytes)
    guard let line = AuditLine(parsing: bytes.span) else {
      throw PalanaError(.failed, "an audit event of the log itself could not be read back")
    }
    try append(line, bytes.span)
  }

  /// Leaves a gap: the next record continues `link`, whose predecessors are gone. Verification will always show it.
  mutating func skip(to link: (seq: Int64, hash: AuditChain.Hash)) {
    seq = link.seq
    hash = link.hash
  }

  /// Writes the new head; call it last.
  func finish() throws {
    try db.execute(
      sql: "UPDATE head SET seq = ?, hash = ? WHERE id = 1", arguments: [seq, hash.bytes.databaseBlob])
  }
}

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
          (seq, time, component, decision, severity, agent_id, agent_name, owner, actor, host, body, prev, hash)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """)
  }

  /// Adds an event that was read from the spool.
  mutating func append(_ item: SpoolBatch.Item) throws {
    let line = item.line
    let next = seq + 1
    let nextHash = AuditChain.hash(seq: next, event: item.body, previous: hash, scratch: &scratch)
    let binding = StatementBinding(insert)
    try binding.bind(1, next)
    try binding.bind(2, line.time.microseconds)
    try binding.bind(3, text: line.component)
    try binding.bind(4, text: line.decision)
    try binding.bind(5, text: line.severity)
    try binding.bind(6, text: line.agentID)
    try binding.bind(7, text: line.agentName)
    try binding.bind(8, text: line.owner)
    try binding.bind(9, text: line.actor)
    try binding.bind(10, text: line.host)
    try binding.bind(11, text: item.body)
    try binding.bind(12, blob: hash.bytes)
    try binding.bind(13, blob: nextHash.bytes)
    try binding.run()
    seq = next
    hash = nextHash
  }

  /// Adds an event that the log itself makes.
  mutating func append(_ event: AuditEvent) throws {
    var bytes: [UInt8] = []
    AuditEncoder.encode(event, into: &bytes)
    guard let line = AuditLine(parsing: bytes) else {
      throw PalanaError(.failed, "an audit event of the log itself could not be read back")
    }
    try append(SpoolBatch.Item(line: line, body: bytes[...]))
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

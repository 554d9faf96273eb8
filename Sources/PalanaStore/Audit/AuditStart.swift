import GRDB
import Logging
import PalanaAudit
import PalanaCore

/// What happens once when the audit log opens: the head is compared with the note outside the database, and the spool learns
/// what was taken before.
struct AuditStart: Sendable {
  let spool: AuditSpool
  let note: HeadNote
  let clock: WallClock
  let logger: Logger

  /// - Returns: the number of the newest record.
  func run(on database: DatabaseFile) async throws(PalanaError) -> Int64 {
    try await database.write { db in
      try discountDrained(db)
      return try reconcileHead(db)
    }
  }

  private func discountDrained(_ db: Database) throws {
    let segments = Dictionary(uniqueKeysWithValues: spool.segments().map { ($0.name, $0) })
    for row in try Row.fetchAll(db, sql: "SELECT file, offset FROM spool") {
      let file: String = row["file"]
      if let segment = segments[file] {
        spool.discount(bytes: min(row["offset"], segment.written))
      } else {
        try db.execute(sql: "DELETE FROM spool WHERE file = ?", arguments: [file])
      }
    }
  }

  /// A database whose end was cut off must not grow a new end under the old numbers: the chain goes on behind the noted head, and
  /// the gap stays visible for ever.
  private func reconcileHead(_ db: Database) throws -> Int64 {
    var chain = try ChainAppender(db)
    var finding: (reason: String, details: [String: String])?
    switch note.read() {
    case .none:
      if chain.seq > 0 { finding = ("audit_head_note_missing", [:]) }
    case .forged: finding = ("audit_head_note_forged", [:])
    case .link(let noted):
      guard noted.seq >= chain.seq, let hash = AuditChain.Hash(hex: Array(noted.hash.utf8)) else { break }
      if noted.seq > chain.seq {
        finding = ("audit_records_missing", ["from": String(chain.seq + 1), "through": String(noted.seq)])
        chain.skip(to: (noted.seq, hash))
      } else if hash != chain.hash {
        finding = ("audit_head_differs", ["seq": String(noted.seq)])
      }
    }
    if let finding {
      logger.critical("audit.tampered", metadata: ["audit.finding": "\(finding.reason)"])
      try chain.append(StartFinding.event(reason: finding.reason, details: finding.details, time: clock.now()))
      try chain.finish()
    }
    // From the first moment there is a note, so that a missing one always means something.
    if chain.seq == 0 { try note.write(.init(seq: 0, hash: chain.hash.description)) }
    return chain.seq
  }
}

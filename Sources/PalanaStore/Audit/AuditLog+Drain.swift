import GRDB
import Logging
import PalanaAudit
package import PalanaCore

/// From the spool into the chain.
extension AuditLog {
  /// Takes everything that was accepted before the call into the chain. May run beside the service: turns are serialised by the
  /// database, and what was taken is recorded in the same transaction.
  /// - Throws: ``PalanaError`` with code `failed`; nothing is lost, the spool keeps it.
  package func drain() async throws(PalanaError) {
    while try await drainBatch() {}
  }

  /// - Returns: whether there is more.
  private func drainBatch() async throws(PalanaError) -> Bool {
    let batch = try await extend { [spool, clock] db in
      try BackgroundTurn.run { try Self.take(from: spool, into: db, clock: clock) }
    } afterCommit: { [spool] batch in
      spool.discount(bytes: batch.bytes)
      for segment in batch.done { spool.remove(segment) }
    }
    if batch.torn > 0 { logger.warning("audit.spool.torn", metadata: ["audit.lines": "\(batch.torn)"]) }
    if batch.damaged > 0 { logger.critical("audit.spool.damaged", metadata: ["audit.places": "\(batch.damaged)"]) }
    return batch.hasMore
  }

  /// Runs a transaction that adds to the chain, then notes the new head outside the database and wakes the followers.
  ///
  /// Everything that belongs to the commit happens on the writer's queue: a caller that is cancelled meanwhile cannot leave
  /// half of it undone.
  /// - Parameter body: also returns the new head; nil when nothing was added.
  func extend<T: Sendable>(
    _ body: @escaping @Sendable (Database) throws -> (T, AuditVerifier.Link?),
    afterCommit: @escaping @Sendable (T) -> Void = { _ in }
  ) async throws(PalanaError) -> T {
    do {
      return try await database.pool.writeWithoutTransaction { [note, logger, signal] db in
        var outcome: (T, AuditVerifier.Link?)?
        try db.inTransaction {
          outcome = try body(db)
          return .commit
        }
        guard let (result, link) = outcome else { throw PalanaError(.failed, "the audit transaction did not run") }
        afterCommit(result)
        if let link {
          do { try note.write(link) } catch {
            // The note then lags behind, which hides nothing that is in the chain.
            logger.warning("audit.note.failed", metadata: ["error": "\(error)"])
          }
          signal.advance(to: link.seq)
        }
        return result
      }
    } catch {
      throw DatabaseFile.error(error)
    }
  }

  private struct Outcome: Sendable {
    var bytes: Int
    var done: [AuditSpool.Segment]
    var torn: Int
    var damaged: Int
    var hasMore: Bool
  }

  private static func take(
    from spool: AuditSpool, into db: Database, clock: WallClock
  ) throws -> (Outcome, AuditVerifier.Link?) {
    let rows = try Row.fetchAll(db, sql: "SELECT file, offset FROM spool")
    let offsets = Dictionary(uniqueKeysWithValues: rows.map { ($0["file"] as String, $0["offset"] as Int) })
    let segments = spool.segments()
    let batch = try SpoolBatch(segments: segments, offsets: offsets)

    var chain = try ChainAppender(db)
    for item in batch.items {
      let chunk = batch.chunks[item.chunk]
      try chain.append(item.line, chunk.span.extracting(item.body))
    }
    for damage in batch.damages {
      try chain.append(
        AuditEvent(
          time: clock.now(), component: .policy, action: "spool", decision: .error, severity: .critical,
          reason: damage.reason.rawValue,
          details: ["file": damage.file, "offset": String(damage.offset), "bytes": String(damage.bytes)]))
    }
    let added = batch.items.count + batch.damages.count
    if added > 0 { try chain.finish() }

    for progress in batch.progress where progress.taken > 0 {
      try db.execute(
        sql: "INSERT INTO spool (file, offset) VALUES (?, ?) ON CONFLICT (file) DO UPDATE SET offset = excluded.offset",
        arguments: [progress.segment.name, progress.offset])
    }
    // Rows of files that are gone; a name is never used again.
    let present = Set(segments.map(\.name))
    for file in offsets.keys where !present.contains(file) {
      try db.execute(sql: "DELETE FROM spool WHERE file = ?", arguments: [file])
    }
    let outcome = Outcome(
      bytes: batch.takenBytes, done: batch.progress.filter(\.isDone).map(\.segment), torn: batch.torn,
      damaged: batch.damages.count, hasMore: batch.hasMore)
    return (outcome, added > 0 ? .init(seq: chain.seq, hash: chain.hash.description) : nil)
  }
}

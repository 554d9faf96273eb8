import Foundation
import GRDB
import PalanaAudit
package import PalanaCore

/// Removing what is old, so that the rest still proves itself.
extension AuditLog {
  private static let batch = 10_000

  /// Removes records older than `age` from the beginning of the chain, in batches. In the transaction of each batch the chain gets
  /// a record that names the last link removed, so that verification knows the new beginning. The newest record always stays.
  /// - Returns: how many were removed.
  package func removeEvents(olderThan age: Duration) async throws(PalanaError) -> Int {
    var total = 0
    let cutoff = clock.now() - age
    while true {
      let removed = try await extend { [clock] db in try Self.removeBatch(db, before: cutoff, now: clock.now()) }
      total += removed
      // A part of a batch is the last one. The marks of this run are never themselves a reason to go on.
      if removed < Self.batch { return total }
    }
  }

  private static func removeBatch(
    _ db: Database, before cutoff: Timestamp, now: Timestamp
  ) throws -> (Int, AuditVerifier.Link?) {
    var chain = try ChainAppender(db)
    var through: AuditVerifier.Link?
    var count = 0
    let rows = try Row.fetchCursor(
      db, sql: "SELECT seq, time, hash FROM event WHERE seq < ? ORDER BY seq LIMIT ?", arguments: [chain.seq, batch])
    // A record that came late with an early time stays until those before it may go: the chain is cut only from its beginning.
    while let row = try rows.next(), (row["time"] as Int64) < cutoff.microseconds {
      through = .init(seq: row["seq"], hash: try AuditChain.Hash(column: row["hash"]).description)
      count += 1
    }
    guard let through else { return (0, nil) }
    try db.execute(sql: "DELETE FROM event WHERE seq <= ?", arguments: [through.seq])
    try chain.append(RetentionMark.event(through: through, removed: count, before: cutoff, time: now))
    try chain.finish()
    return (count, .init(seq: chain.seq, hash: chain.hash.description))
  }
}

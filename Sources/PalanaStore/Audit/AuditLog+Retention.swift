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
    let cutoff = clock.now() - age
    let removed = try await remove(before: cutoff, through: .max, atLeast: 1)
    try await forgetSources(before: cutoff)
    return removed
  }

  /// As ``removeEvents(olderThan:)``, of the records up to `seq` only: those that a collector has. Nothing is removed for a few, since the
  /// record that says so is one more.
  package func removeCollected(through seq: Int64, olderThan age: Duration) async throws(PalanaError) -> Int {
    try await remove(before: clock.now() - age, through: seq, atLeast: Self.worthwhile)
  }

  private static let worthwhile = 256

  private func remove(before cutoff: Timestamp, through seq: Int64, atLeast least: Int) async throws(PalanaError) -> Int {
    var total = 0
    while true {
      let removed = try await extend { [clock] db in
        try Self.removeBatch(db, before: cutoff, through: seq, atLeast: least, now: clock.now())
      }
      total += removed
      // A part of a batch is the last one. The marks of this run are never themselves a reason to go on.
      if removed < Self.batch { return total }
    }
  }

  private static func removeBatch(
    _ db: Database, before cutoff: Timestamp, through end: Int64, atLeast least: Int, now: Timestamp
  ) throws -> (Int, AuditVerifier.Link?) {
    var chain = try ChainAppender(db)
    var through: AuditVerifier.Link?
    var count = 0
    let rows = try Row.fetchCursor(
      db, sql: "SELECT seq, coalesce(taken, time) AS time, hash FROM event WHERE seq < ? AND seq <= ? ORDER BY seq LIMIT ?",
      arguments: [chain.seq, end, batch])
    // A record that came late with an early time stays until those before it may go: the chain is cut only from its beginning.
    while let row = try rows.next(), (row["time"] as Int64) < cutoff.microseconds {
      through = .init(seq: row["seq"], hash: try AuditChain.Hash(column: row["hash"]).description)
      count += 1
    }
    guard let through, count >= least else { return (0, nil) }
    try db.execute(sql: "DELETE FROM event WHERE seq <= ?", arguments: [through.seq])
    try chain.append(RetentionMark.event(through: through, removed: count, before: cutoff, time: now))
    try chain.finish()
    return (count, .init(seq: chain.seq, hash: chain.hash.description))
  }
}

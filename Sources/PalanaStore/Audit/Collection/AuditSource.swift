import GRDB
import PalanaAudit
package import PalanaCore

/// Whose chain is collected, as the cluster says and not as the sender does.
package struct AuditSource: Hashable, Sendable {
  /// The name that the sender's database gave itself: 32 hexadecimal digits.
  package let chain: String
  /// The service account, `system:serviceaccount:NAMESPACE:NAME`.
  package let account: String
  package let pod: String

  /// - Throws: ``PalanaError`` with code `invalid` for what is not the name of a chain.
  package init(chain: String, account: String, pod: String) throws(PalanaError) {
    let isName = chain.utf8.count == 32 && chain.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    guard isName else { throw PalanaError(.invalid, "chain: 32 hexadecimal digits are expected") }
    self.chain = chain
    self.account = account
    self.pod = pod
  }
}

/// How far the chain of a source was collected: a row of the collector's database, which grows with what is taken in one transaction.
extension AuditSource {
  /// Number 0 and the hash of zeros when nothing was.
  func position(_ db: Database) throws -> (seq: Int64, hash: AuditChain.Hash) {
    let row = try Row.fetchOne(
      db, sql: "SELECT seq, hash FROM source WHERE chain = ? AND account = ? AND pod = ?", arguments: [chain, account, pod])
    guard let row else { return (0, .zero) }
    return (row["seq"], try AuditChain.Hash(column: row["hash"]))
  }

  func move(_ db: Database, to seq: Int64, _ hash: AuditChain.Hash, at now: Timestamp) throws {
    try db.execute(
      sql: """
        INSERT INTO source (chain, account, pod, seq, hash, seen) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (chain, account, pod) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, seen = excluded.seen
        """,
      arguments: [chain, account, pod, seq, hash.bytes.databaseBlob, now.microseconds])
  }
}

extension AuditLog {
  /// Forgets sources of which nothing came for so long that nothing of theirs is kept any more. One that comes back begins anew.
  func forgetSources(before cutoff: Timestamp) async throws(PalanaError) {
    try await database.write { db in try db.execute(sql: "DELETE FROM source WHERE seen < ?", arguments: [cutoff.microseconds]) }
  }
}

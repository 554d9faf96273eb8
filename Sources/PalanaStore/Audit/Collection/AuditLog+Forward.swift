import GRDB
import PalanaAudit
package import PalanaCore

/// What a sender needs to know of its own chain.
extension AuditLog {
  /// The name of this chain, which it has had from its beginning: 32 hexadecimal digits.
  package func chain() async throws(PalanaError) -> String {
    try await database.read { db in
      guard let name = try String.fetchOne(db, sql: "SELECT name FROM chain WHERE id = 1") else {
        throw PalanaError(.failed, "the audit database has lost the name of its chain")
      }
      return name
    }
  }

  /// Gives the chain another name: to a collector it is then another chain.
  package func renameChain() async throws(PalanaError) {
    try await database.write { db in
      try db.execute(sql: "UPDATE chain SET name = ? WHERE id = 1", arguments: [RandomToken.hex(bytes: 16)])
    }
  }

  /// Whether a record with this number and this hash may have been the chain's: false when it has another one at this place, or none yet.
  package func mayHold(seq: Int64, hash: String) async throws(PalanaError) -> Bool {
    try await database.read { db in
      let head = try Int64.fetchOne(db, sql: "SELECT seq FROM head WHERE id = 1") ?? 0
      guard seq <= head else { return false }
      // What was removed cannot be compared any more; the record behind it names it.
      guard let row = try Row.fetchOne(db, sql: "SELECT hash FROM event WHERE seq = ?", arguments: [seq]) else { return true }
      return try AuditChain.Hash(column: row["hash"]).description == hash
    }
  }

  /// Returns when there are records after `seq`; false when the wait was cancelled or there will be none.
  package func waitForRecords(after seq: Int64) async -> Bool { await signal.wait(past: seq) }
}

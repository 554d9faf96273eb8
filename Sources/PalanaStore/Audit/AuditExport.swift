import Dispatch
import GRDB
import PalanaAudit
package import PalanaCore

/// The chain of an audit trail as text, read beside the process that writes it, or when none does.
package struct AuditExport: Sendable {
  private let pool: DatabasePool

  /// Opens the database file for reading only.
  /// - Throws: ``PalanaError``: `notFound`, `failed`.
  package init(path: String) async throws(PalanaError) {
    var configuration = Configuration()
    configuration.readonly = true
    configuration.busyMode = .timeout(10)
    let settings = configuration
    do {
      pool = try await withCheckedThrowingContinuation { continuation in
        DispatchQueue.global().async {
          continuation.resume(with: Result { try DatabasePool(path: path, configuration: settings) })
        }
      }
    } catch let error as DatabaseError where error.resultCode == .SQLITE_CANTOPEN {
      throw PalanaError(.notFound, "there is no audit trail at \(path)", hint: "--home names the folder of the daemon")
    } catch {
      throw DatabaseFile.error(error, opening: path)
    }
  }

  /// The records after `seq`: see ``AuditLog/export(after:limit:)``. What the daemon has accepted in the last moment may be missing.
  package func lines(after seq: Int64, limit: Int) async throws(PalanaError) -> (lines: [UInt8], lastSeq: Int64) {
    do { return try await pool.read { try Self.lines($0, after: seq, limit: limit) } } catch { throw DatabaseFile.error(error) }
  }

  static func lines(_ db: Database, after seq: Int64, limit: Int, bytes: Int = .max) throws -> (lines: [UInt8], lastSeq: Int64) {
    var lines: [UInt8] = []
    var last = seq
    let rows = try Row.fetchCursor(
      db, sql: "SELECT seq, body, prev, hash FROM event WHERE seq > ? ORDER BY seq LIMIT ?", arguments: [seq, limit])
    while lines.count < bytes, let row = try rows.next() {
      let body: String = row["body"]
      last = row["seq"]
      lines += AuditChain.line(
        seq: last, event: Array(body.utf8), previous: try AuditChain.Hash(column: row["prev"]),
        hash: try AuditChain.Hash(column: row["hash"]))
      lines.append(UInt8(ascii: "\n"))
    }
    return (lines, last)
  }
}

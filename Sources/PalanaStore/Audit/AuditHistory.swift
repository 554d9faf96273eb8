import GRDB
package import PalanaAudit
package import PalanaCore

/// Records that were in the chain when it was opened, oldest first, read page by page at the consumer's pace: however many
/// there are, nothing is held beyond one page.
package struct AuditHistory: AsyncSequence, Sendable {
  package typealias Element = AuditRecord

  let log: AuditLog
  let query: AuditQuery
  let scope: AuditScope
  /// Records after this one…
  let start: Int64
  /// … and up to this one: what joins the chain later is a follower's.
  package let end: Int64
  /// The oldest record when it was opened.
  let oldest: Int64
  let limit: Int?

  package struct AsyncIterator: AsyncIteratorProtocol {
    let history: AuditHistory
    var position: Int64
    var remaining: Int
    var page: ArraySlice<AuditRecord> = []

    /// - Returns: nil at the end, or when the task is cancelled.
    /// - Throws: ``PalanaError`` when the database cannot be read, and with code `conflict` when records were removed that
    ///   were still to come: what was read until then is whole, and the rest would have a gap.
    package mutating func next() async throws(PalanaError) -> AuditRecord? {
      if page.isEmpty, remaining > 0, position < history.end, !Task.isCancelled {
        let size = Swift.min(500, remaining)
        page = try await history.page(after: position, limit: size)[...]
        remaining -= page.count
        position = page.count < size ? history.end : page.last?.seq ?? history.end
      }
      return page.popFirst()
    }
  }

  package func makeAsyncIterator() -> AsyncIterator {
    AsyncIterator(history: self, position: start, remaining: limit ?? .max)
  }

  private func page(after seq: Int64, limit: Int) async throws(PalanaError) -> [AuditRecord] {
    let (select, end) = (AuditSelect(query, scope: scope), end)
    let next = Swift.max(seq + 1, oldest)
    return try await log.database.read { db in
      // In the snapshot of the page itself. The newest record always stays, so there is an oldest one.
      let oldest = try Int64.fetchOne(db, sql: "SELECT min(seq) FROM event") ?? next
      guard oldest <= next else {
        throw PalanaError(
          .conflict, "the retention removed the records \(next) to \(oldest - 1) while they were being read",
          hint: "what came before them is complete; read on from record \(oldest)")
      }
      return try select.records(db, after: seq, through: end, limit: limit)
    }
  }
}

package import PalanaAudit
package import PalanaCore

/// Records as they join the chain, read page by page at the consumer's pace: nothing is buffered beyond one page.
package struct AuditFollow: AsyncSequence, Sendable {
  package typealias Element = AuditRecord

  let log: AuditLog
  let query: AuditQuery
  let scope: AuditScope
  let start: Int64

  package struct AsyncIterator: AsyncIteratorProtocol {
    let log: AuditLog
    let query: AuditQuery
    let scope: AuditScope
    var position: Int64
    var page: ArraySlice<AuditRecord> = []

    /// - Returns: nil when the task is cancelled or the log has shut down.
    /// - Throws: ``PalanaError`` when the database cannot be read.
    package mutating func next() async throws(PalanaError) -> AuditRecord? {
      while !Task.isCancelled {
        if let record = page.popFirst() { return record }
        do throws(PalanaError) {
          let (records, end) = try await log.page(query, scope: scope, after: position)
          page = records[...]
          position = end
        } catch {
          // A read that the cancellation hit is an end like any other.
          if Task.isCancelled { return nil }
          throw error
        }
        if page.isEmpty {
          guard await log.signal.wait(past: position) else { return nil }
        }
      }
      return nil
    }
  }

  package func makeAsyncIterator() -> AsyncIterator {
    AsyncIterator(log: log, query: query, scope: scope, position: start)
  }
}

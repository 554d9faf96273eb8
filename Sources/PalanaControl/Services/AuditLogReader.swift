package import PalanaAudit
package import PalanaCore
package import PalanaStore

/// Reads the audit log of one machine.
package struct AuditLogReader: AuditReader {
  private let log: AuditLog

  package init(log: AuditLog) { self.log = log }

  package func history(
    _ query: AuditQuery, scope: AuditScope
  ) async throws(PalanaError) -> (lines: AsyncThrowingStream<[UInt8], any Error>, end: Int64) {
    let history = try await log.history(query, scope: scope)
    return (Self.lines(history), history.end)
  }

  package func follow(_ query: AuditQuery, scope: AuditScope) -> AsyncThrowingStream<[UInt8], any Error> {
    Self.lines(log.follow(query, scope: scope))
  }

  package func verify() async throws(PalanaError) -> AuditVerification { try await log.verify() }

  private static func lines<Records: AsyncSequence & Sendable>(
    _ records: Records
  ) -> AsyncThrowingStream<[UInt8], any Error> where Records.Element == AuditRecord, Records.AsyncIterator: Sendable {
    let source = Source(records.makeAsyncIterator())
    return AsyncThrowingStream { try await source.next() }
  }

  /// One reader's place in the log. An actor, because the stream that pulls from it may be used by any task; the place
  /// is taken out for the time of one call, so that it never has two users.
  private actor Source<Iterator: AsyncIteratorProtocol & Sendable> where Iterator.Element == AuditRecord {
    private var iterator: Iterator?

    init(_ iterator: Iterator) { self.iterator = iterator }

    func next() async throws -> [UInt8]? {
      guard var iterator = self.iterator.take() else { return nil }
      let record = try await iterator.next()
      self.iterator = iterator
      return record?.line
    }
  }
}

package import Logging
package import PalanaAudit
package import PalanaCore
import ServiceLifecycle

/// The audit trail of one machine: takes events from the spool, chains them, keeps them in SQLite, answers questions.
///
/// Run it as a service. It drains what is left on a graceful shutdown and returns.
package final class AuditLog: Service {
  /// - Parameters:
  ///   - path: the database file, not the one of the resources. The note of the head stands beside it as `path` + `.head`.
  ///   - spool: where the daemon's components write.
  ///   - retention: how long events are kept; nil: for ever.
  ///   - headKey: key of the HMAC over the note of the head; nil: the note is only a plain one.
  /// - Throws: ``PalanaError`` with code `failed`.
  package static func open(
    path: String, spool: AuditSpool, retention: Duration? = nil, headKey: Redacted<[UInt8]>? = nil,
    clock: WallClock = .system, logger: Logger
  ) async throws(PalanaError) -> AuditLog {
    throw PalanaError(.failed, "not built yet")
  }

  private init() {}

  package func run() async throws {}

  /// The matching records, oldest first.
  package func query(_ query: AuditQuery, scope: AuditScope) async throws(PalanaError) -> [AuditRecord] {
    throw PalanaError(.failed, "not built yet")
  }

  /// Matching records from now on (or after `query.afterSeq`), as they join the chain; ends when the consuming task is cancelled
  /// or the log shuts down. Reads at the consumer's pace: nothing is buffered.
  package func follow(_ query: AuditQuery, scope: AuditScope) -> AuditFollow { AuditFollow() }

  /// Checks the whole chain in the database.
  package func verify() async throws(PalanaError) -> AuditVerification {
    throw PalanaError(.failed, "not built yet")
  }

  /// The records after `seq` as JSON lines (each with its line break), byte for byte what the hashes cover; at most `limit`.
  package func export(after seq: Int64, limit: Int) async throws(PalanaError) -> (lines: [UInt8], lastSeq: Int64) {
    throw PalanaError(.failed, "not built yet")
  }
}

/// Records as they come.
package struct AuditFollow: AsyncSequence, Sendable {
  package typealias Element = AuditRecord
  package struct AsyncIterator: AsyncIteratorProtocol {
    package mutating func next() async throws -> AuditRecord? { nil }
  }
  package func makeAsyncIterator() -> AsyncIterator { AsyncIterator() }
}

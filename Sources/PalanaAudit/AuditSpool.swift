package import PalanaCore

/// The folder of append-only JSON-lines files in which accepted events wait for the log.
///
/// Each event loop or thread makes its own ``Writer``; writers share no lock.
package final class AuditSpool: Sendable {
  /// Bounds of a spool.
  package struct Limits: Hashable, Sendable {
    /// A file is finished and a new one begun after so many bytes.
    package var segmentBytes: Int
    /// When so many bytes wait for the log, events are refused.
    package var backlogBytes: Int

    package init(segmentBytes: Int = 16 << 20, backlogBytes: Int = 256 << 20) {
      self.segmentBytes = segmentBytes
      self.backlogBytes = backlogBytes
    }
  }

  /// - Parameter directory: created with mode 0700 when missing; used by one daemon at a time.
  /// - Throws: ``PalanaError`` with code `failed`.
  package init(directory: String, limits: Limits = Limits()) throws(PalanaError) {
    throw PalanaError(.failed, "not built yet")
  }

  /// A new writer with its own file. Make one for each event loop and one for the rest of the daemon.
  /// - Parameter label: for people who look at the folder; letters, digits and dashes.
  package func makeWriter(label: String) -> Writer { Writer() }

  /// Appends events to one file. Safe from any thread (its own lock), fastest when one thread uses it.
  package final class Writer: AuditSink {
    init() {}

    package func record(_ event: AuditEvent) throws(AuditUnavailable) {
      throw AuditUnavailable("not built yet")
    }

    /// Finishes the file; later events are refused.
    package func close() {}
  }
}

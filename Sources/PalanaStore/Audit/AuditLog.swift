import GRDB
package import Logging
package import PalanaAudit
package import PalanaCore
import ServiceLifecycle
import Synchronization

/// The audit trail of one machine: takes events from the spool, chains them, keeps them in SQLite, answers questions.
///
/// Run it as a service, started before and stopped after everything that records. On a graceful shutdown it drains what is left
/// and returns; after a crash the next start continues where the spool stands, each event once.
package final class AuditLog: Service {
  let database: DatabaseFile
  let spool: AuditSpool
  let note: HeadNote
  let signal: HeadSignal
  let clock: WallClock
  let logger: Logger
  private let retention: Duration?
  private let timer: any Clock<Duration>
  private let isStopping = Atomic<Bool>(false)

  /// How long to gather events before the next transaction, and how often retention is applied.
  private static let gather = Duration.milliseconds(40)
  private static let retentionInterval = Duration.seconds(3600)

  /// - Parameters:
  ///   - path: the database file, not the one of the resources. The note of the head stands beside it as `path` + `.head`.
  ///   - spool: where the daemon's components write.
  ///   - retention: how long events are kept; nil: for ever.
  ///   - headKey: key of the HMAC over the note of the head; nil: the note is only a plain one.
  ///   - timer: for waiting; a test may pass its own.
  /// - Throws: ``PalanaError`` with code `failed`.
  package static func open(
    path: String, spool: AuditSpool, retention: Duration? = nil, headKey: Redacted<[UInt8]>? = nil,
    clock: WallClock = .system, timer: any Clock<Duration> = ContinuousClock(), logger: Logger
  ) async throws(PalanaError) -> AuditLog {
    let database = try await DatabaseFile.open(path: path, migrator: AuditSchema.migrator, check: .schema)
    let note = HeadNote(path: path + ".head", key: headKey)
    let head = try await AuditStart(spool: spool, note: note, clock: clock, logger: logger).run(on: database)
    return AuditLog(
      database: database, spool: spool, note: note, head: head, retention: retention, clock: clock, timer: timer,
      logger: logger)
  }

  private init(
    database: DatabaseFile, spool: AuditSpool, note: HeadNote, head: Int64, retention: Duration?, clock: WallClock,
    timer: any Clock<Duration>, logger: Logger
  ) {
    self.database = database
    self.spool = spool
    self.note = note
    self.retention = retention
    self.clock = clock
    self.timer = timer
    self.logger = logger
    signal = HeadSignal(head: head)
  }

  /// Number of the newest record.
  package var head: Int64 { signal.head }

  package func run() async throws {
    await withGracefulShutdownHandler {
      await withTaskGroup(of: Void.self) { group in
        if let retention = self.retention { group.addTask { await self.retain(for: retention) } }
        await self.drainUntilStopped()
        group.cancelAll()
      }
    } onGracefulShutdown: {
      self.isStopping.store(true, ordering: .sequentiallyConsistent)
      self.spool.wake.raise()
    }
    signal.finish()
  }

  private func drainUntilStopped() async {
    var pause = Self.gather
    while true {
      let isLastTurn = isStopping.load(ordering: .sequentiallyConsistent) || Task.isCancelled
      do {
        try await drain()
        pause = Self.gather
      } catch {
        // Nothing is lost: the spool keeps what was accepted, and refuses more when its bound is reached.
        logger.error("audit.drain.failed", metadata: ["error": "\(error)"])
        pause = min(pause * 2, .seconds(5))
      }
      if isLastTurn { return }
      await spool.wake.wait {
        self.spool.waitingBytes > 0 || self.isStopping.load(ordering: .sequentiallyConsistent)
      }
      // A short pause lets one transaction take many events, and bounds how often the disk is synced.
      try? await timer.sleep(for: pause)
    }
  }

  private func retain(for retention: Duration) async {
    while !Task.isCancelled {
      do {
        let removed = try await removeEvents(olderThan: retention)
        if removed > 0 { logger.info("audit.retention", metadata: ["audit.removed": "\(removed)"]) }
      } catch {
        if !Task.isCancelled { logger.error("audit.retention.failed", metadata: ["error": "\(error)"]) }
      }
      try? await timer.sleep(for: Self.retentionInterval)
    }
  }
}

import Logging
import PalanaAudit
import PalanaCore
import PalanaStore
import ServiceLifecycle

/// Hands this process's audit trail to a collector, record by record in the order of its chain, for as long as it runs; recording never
/// waits for it. What the collector has is removed here after a while, and nothing else is.
///
/// Start it after the log and end it before: at a graceful shutdown it makes one last attempt.
struct AuditForwarder: Service, CustomStringConvertible {
  /// What it waits for how long.
  struct Pace: Sendable {
    /// Between records that come and the batch, so that one batch has many.
    var gather = Duration.milliseconds(250)
    /// After the first failure, …
    var first = Duration.seconds(1)
    /// … and after many.
    var most = Duration.seconds(30)
    /// For the last attempt.
    var farewell = Duration.seconds(10)

    init() {}
  }

  private let log: AuditLog
  private let settings: CollectorSettings
  private let pace: Pace
  private let logger: Logger
  /// How often what is collected is looked at for removal, and how often a failure is told.
  private static let interval = Duration.seconds(60)

  init(_ log: AuditLog, to settings: CollectorSettings, pace: Pace = Pace(), logger: Logger) {
    self.log = log
    self.settings = settings
    self.pace = pace
    self.logger = logger
  }

  var description: String { "AuditForwarder" }

  func run() async throws {
    await cancelWhenGracefulShutdown { await forward() }
    guard !Task.isCancelled else { return }
    if await !flush(within: pace.farewell) {
      logger.error("audit.forward.unfinished", metadata: ["audit.collector": "\(settings.url)"])
    }
  }

  /// Hands in everything that was recorded before the call.
  ///
  /// - Returns: whether the collector has it.
  func flush(within limit: Duration) async -> Bool {
    await withTaskGroup(of: Bool.self) { group in
      group.addTask {
        while !Task.isCancelled {
          do throws(PalanaError) {
            try await log.drain()
            let end = log.head
            return try await talk { session throws(PalanaError) in
              while session.position < end, try await session.send() {}
              return session.position >= end && !session.hasRefused
            }
          } catch {
            logger.debug("audit.forward.failed", metadata: ["error": "\(error)"])
            try? await Task.sleep(for: pace.first)
          }
        }
        return false
      }
      group.addTask {
        try? await Task.sleep(for: limit)
        return false
      }
      defer { group.cancelAll() }
      return await group.next() ?? false
    }
  }

  /// Until the task is cancelled.
  private func forward() async {
    var pause = pace.first
    var complaint = Complaint(logger: logger)
    var keepsAll = false
    var cleaned: ContinuousClock.Instant?
    while !Task.isCancelled {
      do throws(PalanaError) {
        try await talk { session throws(PalanaError) in
          while !Task.isCancelled {
            let hasMore = try await session.send()
            complaint.isOver()
            pause = pace.first
            keepsAll = keepsAll || session.hasRefused
            // Also where records come without a pause.
            if !keepsAll, cleaned.map({ $0 + Self.interval <= .now }) ?? true {
              cleaned = .now
              _ = try await log.removeCollected(through: session.position, olderThan: settings.keep)
            }
            if hasMore { continue }
            await waitForRecords(after: session.position)
            try? await Task.sleep(for: pace.gather)
          }
        }
      } catch {
        guard !Task.isCancelled else { return }
        complaint.about(error)
        // Not all at once when the collector comes back.
        try? await Task.sleep(for: pause * Double.random(in: 0.5...1))
        pause = min(pause * 2, pace.most)
      }
    }
  }

  private func talk<Value: Sendable>(
    _ body: (inout ForwardSession) async throws(PalanaError) -> Value
  ) async throws(PalanaError) -> Value {
    let client = try CollectorClient(settings)
    do throws(PalanaError) {
      var session = try await ForwardSession(log, client, logger: logger)
      let value = try await body(&session)
      await client.close()
      return value
    } catch {
      await client.close()
      throw error
    }
  }

  /// Returns when there are records, or after a while.
  private func waitForRecords(after seq: Int64) async {
    await withTaskGroup(of: Bool.self) { group in
      group.addTask { await log.waitForRecords(after: seq) }
      group.addTask {
        try? await Task.sleep(for: Self.interval)
        return true
      }
      // A log that has ended says so at once; there is nothing to do until this ends too.
      while let isOver = await group.next(), !isOver {}
      group.cancelAll()
    }
  }
}

/// Says that something fails, not more often than makes sense.
private struct Complaint {
  let logger: Logger
  private var said: ContinuousClock.Instant?
  private var count = 0

  init(logger: Logger) { self.logger = logger }

  mutating func about(_ error: PalanaError) {
    count += 1
    if let said, said + .seconds(60) > .now { return }
    said = .now
    logger.warning("audit.forward.failed", metadata: ["error": "\(error)", "audit.attempts": "\(count)"])
  }

  mutating func isOver() {
    if count > 0 { logger.notice("audit.forward.recovered", metadata: ["audit.attempts": "\(count)"]) }
    count = 0
    said = nil
  }
}

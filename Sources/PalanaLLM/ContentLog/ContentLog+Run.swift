import Logging
import NIOPosix
import PalanaAudit
package import PalanaCore
import ServiceLifecycle
import Synchronization

extension ContentLog {
  /// How often what is old is removed.
  private static let housekeeping = Duration.seconds(60)
  /// Losses are told once in this time.
  private static let telling = Duration.seconds(3_600)

  /// Writes what calls hand over until it is stopped, and then the rest. Start it before and stop it after everything that calls models.
  package func run() async throws {
    await withGracefulShutdownHandler {
      await withTaskGroup(of: Void.self) { group in
        group.addTask { await self.keepHouse() }
        await self.writeUntilStopped()
        group.cancelAll()
      }
    } onGracefulShutdown: {
      self.isStopping.store(true, ordering: .sequentiallyConsistent)
      self.queue.wake.raise()
    }
  }

  private func writeUntilStopped() async {
    while true {
      let isLastTurn = isStopping.load(ordering: .sequentiallyConsistent) || Task.isCancelled
      if isLastTurn { queue.finish() }
      await write()
      if isLastTurn {
        files.finish()
        return
      }
      await queue.wake.wait { self.queue.hasWork || self.isStopping.load(ordering: .sequentiallyConsistent) }
    }
  }

  /// Writes what waits. The memory of a record is free when it was written, or could not be.
  func write() async {
    let waiting = queue.drain()
    if !waiting.isEmpty { await write(waiting) }
    tell()
  }

  private func write(_ waiting: [ContentQueue.Waiting]) async {
    defer { for one in waiting { queue.give(one.held) } }
    let key: ContentKey
    do throws(PalanaError) { key = try await masterKey() } catch {
      logger.error("llm.content.key.unavailable", metadata: ["error": "\(error)"])
      return queue.lose(.keyUnavailable, waiting.count)
    }
    let (files, clock) = (files, clock)
    let records = waiting.map(\.record)
    let kept = try? await NIOThreadPool.singleton.runIfActive {
      records.count { record in
        do throws(ContentFiles.Failure) {
          try files.append(record, key, now: clock.now())
          return true
        } catch { return false }
      }
    }
    counts.withLock { $0.records += Int64(kept ?? 0) }
    queue.lose(.notWritten, records.count - (kept ?? 0))
  }

  private func keepHouse() async {
    while !Task.isCancelled {
      await sweep()
      tell()
      try? await timer.sleep(for: Self.housekeeping)
    }
  }

  /// Removes what is too old, and the oldest of what is too much.
  func sweep() async {
    let (files, now) = (files, clock.now())
    let removed = (try? await NIOThreadPool.singleton.runIfActive { files.sweep(now: now) }) ?? 0
    if removed > 0 { logger.info("llm.content.retention", metadata: ["llm.content.removed": "\(removed)"]) }
  }

  /// Says that records are lost: at the first, and then once in an hour with how many there were.
  private func tell() {
    let now = clock.now()
    let lost = queue.takeUntold()
    let due = counts.withLock { counts -> (count: Int64, why: ContentQueue.Loss)? in
      if let lost {
        counts.untold += lost.count
        counts.why = lost.why
      }
      guard counts.untold > 0, counts.told.map({ now - $0 >= Self.telling || now < $0 }) ?? true else { return nil }
      defer { (counts.untold, counts.told) = (0, now) }
      return (counts.untold, counts.why)
    }
    guard let due else { return }
    logger.error("llm.content.lost", metadata: ["llm.content.lost": "\(due.count)", "llm.content.why": "\(due.why.rawValue)"])
    let event = AuditEvent(
      time: now, component: .llm, action: "content-lost", decision: .error, reason: due.why.rawValue, details: ["records": "\(due.count)"])
    do throws(AuditUnavailable) { try audit.record(event) } catch {
      logger.error("llm.content.audit.unavailable", metadata: ["audit.why": "\(error.why)"])
    }
  }

  /// What was kept and lost since the start, and how much there is.
  package var metrics: [MetricFamily] {
    [
      MetricFamily(
        "palana_llm_content_records_total", .counter, "Records of the content log that were written.",
        samples: [.init([], .integer(counts.withLock { $0.records }))]),
      MetricFamily(
        "palana_llm_content_dropped_total", .counter, "Records of the content log that were lost.",
        samples: [.init([], .integer(queue.lost))]),
      MetricFamily(
        "palana_llm_content_bytes", .gauge, "What the content log takes on the disk.",
        samples: [.init([], .integer(Int64(files.totalBytes)))]),
    ]
  }
}

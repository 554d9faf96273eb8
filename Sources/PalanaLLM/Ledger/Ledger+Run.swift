import Logging
import PalanaAudit
import PalanaCore
import PalanaStore
import ServiceLifecycle
import Synchronization

extension Ledger {
  /// How long to gather lines before the next transaction.
  private static let gather = Duration.milliseconds(250)
  /// How often what is old is removed.
  private static let housekeeping = Duration.seconds(3600)

  /// Folds what was written until it is stopped, and then the rest. Start it before and stop it after everything that calls models.
  package func run() async throws {
    await withGracefulShutdownHandler {
      await withTaskGroup(of: Void.self) { group in
        group.addTask { await self.keepHouse() }
        await self.foldUntilStopped()
        group.cancelAll()
      }
    } onGracefulShutdown: {
      self.isStopping.store(true, ordering: .sequentiallyConsistent)
      self.spool.wake.raise()
    }
  }

  private func foldUntilStopped() async {
    var pause = Self.gather
    while true {
      let isLastTurn = isStopping.load(ordering: .sequentiallyConsistent) || Task.isCancelled
      do {
        try await fold()
        pause = Self.gather
      } catch {
        // Nothing is lost: the journal keeps what was written, and calls are refused when its bound is reached.
        logger.error("llm.fold.failed", metadata: ["error": "\(error)"])
        pause = min(pause * 2, .seconds(5))
      }
      if isLastTurn { return }
      await spool.wake.wait {
        self.spool.waitingBytes > 0 || self.isStopping.load(ordering: .sequentiallyConsistent) || self.book.withLock { $0.hasRefusals }
          || self.hasLateLines
      }
      try? await timer.sleep(for: pause)
    }
  }

  private func keepHouse() async {
    while !Task.isCancelled {
      let now = clock.now()
      book.withLock { $0.prune(now: now) }
      do {
        let removed = try await store.removeHours(before: now - retention)
        if removed > 0 { logger.info("llm.retention", metadata: ["llm.removed": "\(removed)"]) }
      } catch {
        if !Task.isCancelled { logger.error("llm.retention.failed", metadata: ["error": "\(error)"]) }
      }
      try? await timer.sleep(for: Self.housekeeping)
    }
  }
}

package import Logging
import PalanaAPI
import PalanaAudit
package import PalanaCore
import PalanaStore
import ServiceLifecycle
import Synchronization

extension ReasoningBreaker {
  /// Runs that did not call for so long are no longer open.
  private static let forgets = Duration.seconds(30 * 86_400)
  /// How long changes are gathered before they are written.
  private static let gather = Duration.milliseconds(250)
  /// Before what could not be written is tried again.
  private static let retry = Duration.seconds(5)

  /// Goes on where the daemon before ended.
  ///
  /// - Parameter ledger: in whose database runs are kept.
  /// - Throws: ``PalanaError`` with code `failed`.
  package static func open(
    _ ledger: Ledger, mostRuns: Int = ReasoningBreaker.mostRuns, clock: WallClock = .system, logger: Logger
  ) async throws(PalanaError) -> ReasoningBreaker {
    ReasoningBreaker(
      store: ledger.store, open: try await ledger.store.openRuns(since: clock.now() - forgets, limit: mostRuns),
      good: try await ledger.store.goodRuns(), mostRuns: mostRuns, clock: clock, logger: logger)
  }

  /// Writes down what changes until it is stopped, and then the rest. Stop it after everything that calls models.
  package func run() async throws {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.keepWriting() }
      try? await gracefulShutdown()
      group.cancelAll()
    }
    await write()
    escalating.finish()
  }

  private func keepWriting() async {
    while !Task.isCancelled {
      let isWritten = await write()
      await wake.wait { self.all.contains { shard in shard.book.withLock { $0.hasChanges } } }
      try? await Task.sleep(for: isWritten ? Self.gather : Self.retry)
    }
  }

  /// Writes what changed.
  ///
  /// - Returns: false when it could not be written. It is kept for the next time.
  @discardableResult
  func write() async -> Bool {
    var changes = LLMRunChanges()
    var taken: [(Shard, LLMRunChanges)] = []
    for shard in all {
      let part = shard.book.withLock { $0.take() }
      guard !part.isEmpty else { continue }
      taken.append((shard, part))
      changes.closed += part.closed
      changes.open += part.open
      changes.good += part.good
    }
    guard !changes.isEmpty else { return true }
    do throws(PalanaError) {
      try await store.write(changes)
      return true
    } catch {
      logger.error("llm.runs.unwritten", metadata: ["error": "\(error)"])
      for (shard, part) in taken { shard.book.withLock { $0.putBack(part) } }
      return false
    }
  }
}

extension ReasoningBreaker.Book {
  /// Of ends that wait to be written: one for each run of an agent, so that they are few.
  private static let mostEnds = 4_096

  var hasChanges: Bool { !changed.isEmpty || !closed.isEmpty || !good.isEmpty }

  mutating func take() -> LLMRunChanges {
    var changes = LLMRunChanges()
    changes.open = changed.compactMap { agent in runs[agent].map { $0.kept(of: agent) } }
    (changes.closed, changes.good) = (closed, good)
    (changed, closed, good) = ([], [], [])
    return changes
  }

  mutating func putBack(_ changes: LLMRunChanges) {
    changed.formUnion(changes.open.map(\.agent).filter { runs[$0] != nil })
    closed = (changes.closed + closed).suffix(Self.mostEnds)
    good = (changes.good + good).suffix(Self.mostEnds)
  }
}

package import Logging
package import PalanaAPI
package import PalanaAudit
package import PalanaCore
import PalanaStore
import Synchronization

extension Ledger {
  /// Opens the ledger of one daemon: takes what the run before left, charges what it did not settle, and counts on from there.
  /// - Parameters:
  ///   - folder: holds `llm.db` and the journal; created when missing, used by one daemon at a time.
  ///   - retention: how long hours are kept; budgets need those of one month.
  ///   - timer: for waiting; a test may pass its own.
  /// - Throws: ``PalanaError``: `conflict` when another process uses the folder, else `failed`.
  package static func open(
    folder: String, prices: PriceTable, retention: Duration = .seconds(400 * 86_400), limits: AuditSpool.Limits = Ledger.limits,
    clock: WallClock = .system, timer: any Clock<Duration> = ContinuousClock(), logger: Logger
  ) async throws(PalanaError) -> Ledger {
    let spool = try AuditSpool(directory: folder + "/journal", limits: limits)
    let store = try await LLMStore.open(path: folder + "/llm.db")
    for (file, offset) in try await store.positions() {
      if let segment = spool.segments().first(where: { $0.name == file }) { spool.discount(bytes: min(offset, segment.written)) }
    }
    while try await fold(spool, into: store, refused: [], now: clock.now(), logger) {}
    let interrupted = try await store.closeInterrupted(now: clock.now())
    if !interrupted.isEmpty { logger.warning("llm.ledger.interrupted", metadata: ["llm.calls": "\(interrupted.count)"]) }
    let now = clock.now()
    let book = LedgerBook(
      prices: prices, now: now, tallies: try await store.tallies(now: now),
      warned: try await store.warnings(since: LLMWindow.month.start(of: now)))
    return Ledger(store: store, spool: spool, book: book, retention: retention, clock: clock, timer: timer, logger: logger)
  }

  /// Of the journal: when so much waits to be folded, calls are refused.
  package static let limits = AuditSpool.Limits(segmentBytes: 8 << 20, backlogBytes: 256 << 20)

  /// Takes everything that was written before the call into the database. May run beside the service.
  /// - Throws: ``PalanaError`` with code `failed`; nothing is lost, the journal keeps it.
  package func fold() async throws(PalanaError) {
    flush()
    var hasMore = true
    while hasMore {
      let refused = book.withLock { $0.takeRefusals() }
      do {
        hasMore = try await Self.fold(spool, into: store, refused: refused, now: clock.now(), logger)
      } catch {
        book.withLock { $0.putBack(refused) }
        throw error
      }
    }
  }

  /// - Returns: whether there is more.
  private static func fold(
    _ spool: AuditSpool, into store: LLMStore, refused: [LLMRefusals], now: Timestamp, _ logger: Logger
  ) async throws(PalanaError) -> Bool {
    let batch = try await store.fold(now: now) { offsets in
      let batch = try JournalBatch(spool, offsets: offsets)
      var fold = batch.fold
      fold.refused = refused
      return (fold, batch)
    } afterCommit: { batch in
      spool.discount(bytes: batch.bytes)
      for segment in batch.done { spool.remove(segment) }
    }
    if batch.torn > 0 { logger.warning("llm.journal.torn", metadata: ["llm.lines": "\(batch.torn)"]) }
    for damage in batch.damages { logger.critical("llm.journal.damaged", metadata: ["llm.place": "\(damage)"]) }
    return batch.hasMore
  }

  /// What was used, up to this moment.
  /// - Throws: ``PalanaError`` with code `invalid` for a limit out of bounds, or `failed`.
  package func usage(_ query: LLMUsageQuery) async throws(PalanaError) -> [LLMUsageRow] {
    try await fold()
    return try await store.usage(query)
  }

  /// The newest calls, newest first.
  /// - Parameters:
  ///   - agent: name or identifier.
  ///   - limit: 1 to 1,000.
  package func newestCalls(owner: UserIdentity? = nil, agent: String? = nil, limit: Int = 100) async throws(PalanaError) -> [LLMCallRow] {
    try await fold()
    return try await store.newestCalls(owner: owner, agent: agent, limit: limit)
  }
}

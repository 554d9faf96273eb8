import Logging
package import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaStore
import ServiceLifecycle
import Synchronization

/// What agents use of models: taken from their budgets before a call goes out, corrected after it, written down and kept.
///
/// A reservation is in a file before ``reserve(_:)`` returns, so that it survives the death of the process; so is a settlement. A start
/// charges what was reserved and never settled, and goes on with the counts of every window exactly. What waits in the files is folded
/// into a database of its own by ``run()``.
///
/// ``reserve(_:)``, ``settle(_:_:)`` and ``release(_:)`` may be called from event loops: they hold one lock for a few comparisons and write
/// one line each.
package final class Ledger: Service {
  let store: LLMStore
  let spool: AuditSpool
  let clock: WallClock
  let logger: Logger
  private let writer: AuditSpool.Writer
  private let run = RandomToken.hex(bytes: 6)
  let book: Mutex<LedgerBook>
  private let late = Mutex(LateLines())
  let retention: Duration
  let timer: any Clock<Duration>
  let isStopping = Atomic<Bool>(false)

  /// Lines that could not be written when they were due, and are tried again before the next one: the disk was full.
  struct LateLines {
    var lines: [[UInt8]] = []
    static let most = 10_000
  }

  init(
    store: LLMStore, spool: AuditSpool, book: LedgerBook, retention: Duration, clock: WallClock, timer: any Clock<Duration>, logger: Logger
  ) {
    self.store = store
    self.spool = spool
    self.book = Mutex(book)
    self.retention = retention
    self.clock = clock
    self.timer = timer
    self.logger = logger
    writer = spool.makeWriter(label: "ledger")
  }

  // MARK: Budgets and prices

  /// From now on exactly these budgets hold. What was used of windows that go on counts, also in budgets that are new; calls under way
  /// count in those that speak of them. Budgets are checked when they are written (``Resource/validate()``).
  package func apply(_ budgets: [LLMBudget]) {
    let now = clock.now()
    book.withLock { $0.apply(budgets, now: now) }
  }

  /// From now on these prices hold for new calls.
  package func use(_ prices: PriceTable) { book.withLock { $0.use(prices) } }

  /// Where each limit stands against which somebody has counted since its window began, or since the start.
  package func figures() -> [BudgetFigures] {
    let now = clock.now()
    return book.withLock { $0.figures(now: now) }
  }

  /// How many calls are under way.
  package var openCalls: Int { book.withLock { $0.openCalls } }

  // MARK: Calls

  /// Takes all that the call may use from every budget that speaks of it, before it goes out. All of them hold, or nothing is taken.
  package func reserve(_ claim: Claim) -> Result<Reservation, Refusal> {
    let claim = LedgerBounds.claim(claim)
    switch book.withLock({ $0.reserve(claim) }) {
    case .failure(let overrun):
      spool.wake.raise()
      return .failure(.overBudget(overrun))
    case .success(let reservation):
      let id = id(reservation)
      do throws(AuditUnavailable) {
        try writer.append { JournalCodec.reserved(reservation, id: id, into: &$0) }
        return .success(reservation)
      } catch {
        book.withLock { book in
          _ = book.close(reservation, used: nil)
          book.refuse(claim)
        }
        return .failure(.ledgerUnavailable(error.why))
      }
    }
  }

  /// Puts what the call used in the place of what was reserved, in the windows in which it was reserved. More may have been used than was
  /// reserved; then the budget is over its limit.
  /// - Returns: the warnings that are due now. Each is given once.
  package func settle(_ reservation: Reservation, _ settlement: Settlement) -> [BudgetWarning] {
    let usage = LedgerBounds.usage(settlement.usage)
    let cost = LedgerBounds.cost(settlement.cost ?? reservation.price.cost(usage))
    let used = LLMAmounts(tokens: usage.total, cost: cost, requests: 1)
    guard let warnings = book.withLock({ $0.close(reservation, used: used) }) else { return [] }
    let id = id(reservation)
    write { JournalCodec.ended(reservation, id: id, usage: usage, cost: cost, settlement: settlement, into: &$0) }
    for (_, mark) in warnings { write { JournalCodec.warned(mark, into: &$0) } }
    return warnings.map(\.0)
  }

  /// Gives everything back: nothing reached the model.
  package func release(_ reservation: Reservation) {
    guard book.withLock({ $0.close(reservation, used: nil) }) != nil else { return }
    let id = id(reservation)
    write { JournalCodec.released(id: id, into: &$0) }
  }

  /// Counts a call that somebody else than the ledger refused.
  package func refused(_ claim: Claim) {
    let claim = LedgerBounds.claim(claim)
    book.withLock { $0.refuse(claim) }
    spool.wake.raise()
  }

  // MARK: Writing

  private func id(_ reservation: Reservation) -> String { "\(run)-\(reservation.number)" }

  /// Writes a line now or, where the disk does not take it, before the next one. While it is missing, a start would charge the whole
  /// reservation.
  private func write(_ line: (inout [UInt8]) -> Void) {
    let isDropped = late.withLock { late in
      if flush(&late), (try? writer.append(line: line)) != nil { return false }
      guard late.lines.count < LateLines.most else { return true }
      var bytes: [UInt8] = []
      line(&bytes)
      late.lines.append(bytes)
      return false
    }
    if isDropped { logger.critical("llm.ledger.settlement.lost") }
  }

  /// - Returns: whether nothing is late any more.
  private func flush(_ late: inout LateLines) -> Bool {
    var written = 0
    for line in late.lines {
      guard (try? writer.append(line: { $0 = line })) != nil else { break }
      written += 1
    }
    if written > 0 { late.lines.removeFirst(written) }
    return late.lines.isEmpty
  }

  var hasLateLines: Bool { late.withLock { !$0.lines.isEmpty } }

  /// Tries again to write what is late.
  func flush() { late.withLock { _ = flush(&$0) } }
}

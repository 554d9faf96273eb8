import GRDB
import PalanaAPI
package import PalanaCore

/// What a turn takes out of the journal.
package struct LLMFold: Sendable {
  /// In the order in which they were written.
  package var records: [LLMRecord] = []
  /// By file of the journal: everything before it is taken after this turn.
  package var offsets: [String: Int] = [:]
  /// The files that are there; positions of others are forgotten.
  package var files: Set<String> = []
  /// Calls that did not go out, by the hour in which they were refused.
  package var refused: [LLMRefusals] = []

  package init() {}
}

/// How many calls did not go out.
package struct LLMRefusals: Hashable, Sendable {
  package var key: LLMCallKey
  /// Lies in the hour that is meant.
  package var time: Timestamp
  package var count: Int64

  package init(key: LLMCallKey, time: Timestamp, count: Int64) {
    self.key = key
    self.time = time
    self.count = count
  }
}

extension LLMStore {
  /// Takes records in one transaction, together with the position up to which they are taken: after a crash each is taken once.
  /// - Parameters:
  ///   - gather: reads the journal, from the given position of each file on. Blocking is allowed there.
  ///   - afterCommit: runs before the next turn may begin, also when the caller was cancelled meanwhile.
  /// - Throws: ``PalanaError`` with code `failed`; then nothing is taken.
  package func fold<T: Sendable>(
    now: Timestamp, gather: @escaping @Sendable ([String: Int]) throws -> (LLMFold, T), afterCommit: @escaping @Sendable (T) -> Void
  ) async throws(PalanaError) -> T {
    do {
      return try await database.pool.writeWithoutTransaction { db in
        var outcome: T?
        try db.inTransaction {
          let rows = try Row.fetchAll(db, sql: "SELECT file, offset FROM journal")
          let (fold, result) = try gather(Dictionary(uniqueKeysWithValues: rows.map { ($0["file"] as String, $0["offset"] as Int) }))
          try BackgroundTurn.run { try LLMTurn(now: now).take(fold, known: rows.map { $0["file"] }, db) }
          outcome = result
          return .commit
        }
        guard let outcome else { throw PalanaError(.failed, "the transaction did not run") }
        afterCommit(outcome)
        return outcome
      }
    } catch {
      throw DatabaseFile.error(error)
    }
  }

  /// Charges every call that is still open at what was reserved for it: nobody will say any more how it ended. For the start, when the
  /// journal of the run before is taken whole.
  /// - Returns: these calls.
  package func closeInterrupted(now: Timestamp) async throws(PalanaError) -> [LLMReservedCall] {
    try await database.write { db in
      let calls = try Row.fetchAll(db, sql: "SELECT * FROM open_call ORDER BY time, id").map { try LLMReservedCall(row: $0) }
      try db.execute(sql: "DELETE FROM open_call")
      var fold = LLMFold()
      fold.records = calls.map { .ended(LLMEndedCall(interrupted: $0)) }
      try LLMTurn(now: now).takeRecords(of: fold, db)
      return calls
    }
  }
}

/// One transaction's work.
struct LLMTurn {
  let now: Timestamp
  private var hours: [LLMHour.Key: LLMHour] = [:]
  private var minutes: [Minute: LLMAmounts] = [:]
  private var open: [String: LLMReservedCall] = [:]
  private var closed: Set<String> = []
  private var ended: [LLMEndedCall] = []
  private var warned: [LLMWarningMark] = []

  private struct Minute: Hashable {
    var start: Int64
    var key: LLMCallKey
  }

  /// For how long a minute may still be asked for: clocks are set back by less.
  private static let minutesKept = Duration.seconds(7200)

  init(now: Timestamp) { self.now = now }

  consuming func take(_ fold: LLMFold, known: [String], _ db: Database) throws {
    try takeRecords(of: fold, db)
    for (file, offset) in fold.offsets {
      try db.execute(
        sql: "INSERT INTO journal (file, offset) VALUES (?, ?) ON CONFLICT (file) DO UPDATE SET offset = excluded.offset",
        arguments: [file, offset])
    }
    // Files that are gone; a name is never used again.
    for file in known where !fold.files.contains(file) {
      try db.execute(sql: "DELETE FROM journal WHERE file = ?", arguments: [file])
    }
  }

  consuming func takeRecords(of fold: LLMFold, _ db: Database) throws {
    for record in fold.records { add(record) }
    for refusals in fold.refused {
      let hour = LLMHour.Key(hour: LLMWindow.hour.start(of: refusals.time).microseconds, call: refusals.key, investigation: "")
      hours[hour, default: LLMHour()].refused += refusals.count
    }
    try writeUsage(db)
    try writeCalls(db)
  }

  private mutating func add(_ record: LLMRecord) {
    switch record {
    case .reserved(let call): open[call.id] = call
    case .released(let id): close(id)
    case .warned(let mark): warned.append(mark)
    case .ended(let call):
      close(call.id)
      ended.append(call)
      let hour = LLMHour.Key(
        hour: LLMWindow.hour.start(of: call.time).microseconds, call: call.key, investigation: call.investigation ?? "")
      hours[hour, default: LLMHour()].add(call)
      let minute = LLMWindow.minute.start(of: call.time)
      guard minute > now - Self.minutesKept else { return }
      var amounts = minutes[Minute(start: minute.microseconds, key: call.key), default: LLMAmounts()]
      amounts.tokens &+= call.usage.total
      amounts.cost = amounts.cost + call.cost
      amounts.requests += 1
      minutes[Minute(start: minute.microseconds, key: call.key)] = amounts
    }
  }

  private mutating func close(_ id: String) {
    if open.removeValue(forKey: id) == nil { closed.insert(id) }
  }

  private func writeUsage(_ db: Database) throws {
    let insert = try db.cachedStatement(sql: LLMHour.insert)
    for (key, hour) in hours {
      try insert.execute(
        arguments: StatementArguments([key.hour] + key.call.columns + [key.investigation] + hour.columns))
    }
    let addMinute = try db.cachedStatement(
      sql: """
        INSERT INTO usage_minute (minute, \(LLMSchema.who.joined(separator: ", ")), tokens, cost, requests)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET tokens = min(tokens + excluded.tokens, 1000000000000000000),
          cost = min(cost + excluded.cost, 1000000000000000000), requests = requests + excluded.requests
        """)
    for (minute, amounts) in minutes {
      let numbers: [any DatabaseValueConvertible] = [amounts.tokens, amounts.cost.nanoDollars, amounts.requests]
      try addMinute.execute(arguments: StatementArguments([minute.start] + minute.key.columns + numbers))
    }
    try db.execute(sql: "DELETE FROM usage_minute WHERE minute < ?", arguments: [(now - Self.minutesKept).microseconds])
  }

  private func writeCalls(_ db: Database) throws {
    for id in closed { try db.cachedStatement(sql: "DELETE FROM open_call WHERE id = ?").execute(arguments: [id]) }
    for call in open.values { try call.insert(db) }
    // Of more than are kept only the newest are written.
    for call in ended.suffix(LLMStore.calls) { try call.insert(db) }
    if !ended.isEmpty {
      try db.execute(sql: "DELETE FROM call WHERE seq <= (SELECT max(seq) FROM call) - ?", arguments: [LLMStore.calls])
    }
    for mark in warned {
      try db.execute(
        sql: "INSERT INTO warned (budget, span, whose, start) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET start = excluded.start",
        arguments: [mark.budget, mark.window.rawValue, mark.group, mark.start.microseconds])
    }
    if !warned.isEmpty {
      try db.execute(
        sql: "DELETE FROM warned WHERE start < ?", arguments: [(LLMWindow.month.start(of: now) - .seconds(7200)).microseconds])
    }
  }
}

import GRDB
import PalanaAPI
package import PalanaCore

/// What was used of models, and what of it is still under way: one SQLite file of its own.
package struct LLMStore: Sendable {
  let database: DatabaseFile

  /// How many of the newest calls are kept one by one.
  package static let calls = 10_000

  /// - Throws: ``PalanaError`` with code `failed`.
  package static func open(path: String) async throws(PalanaError) -> LLMStore {
    LLMStore(database: try await DatabaseFile.open(path: path, migrator: LLMSchema.migrator, check: .integrity))
  }

  /// Removes hours that began before `time`.
  /// - Returns: how many rows.
  package func removeHours(before time: Timestamp) async throws(PalanaError) -> Int {
    try await database.write { db in
      try db.execute(sql: "DELETE FROM usage_hour WHERE hour < ?", arguments: [time.microseconds])
      return db.changesCount
    }
  }

  /// Up to where each file of the journal is taken.
  package func positions() async throws(PalanaError) -> [String: Int] {
    try await database.read { db in
      let rows = try Row.fetchAll(db, sql: "SELECT file, offset FROM journal")
      return Dictionary(uniqueKeysWithValues: rows.map { ($0["file"] as String, $0["offset"] as Int) })
    }
  }

  /// Every warning that was given in a window which may still go on: none that began before `time`.
  package func warnings(since time: Timestamp) async throws(PalanaError) -> [LLMWarningMark] {
    try await database.read { db in
      try Row.fetchAll(db, sql: "SELECT budget, span, whose, start FROM warned WHERE start >= ?", arguments: [time.microseconds])
        .compactMap { row in
          guard let window = LLMWindow(rawValue: row["span"]) else { return nil }
          return LLMWarningMark(
            budget: row["budget"], window: window, group: row["whose"], start: Timestamp(microseconds: row["start"]))
        }
    }
  }
}

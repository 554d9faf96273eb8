import GRDB
import PalanaAPI
import PalanaCore

/// The tables of the use of models. A migration that was released is never edited; a new one is added below.
enum LLMSchema {
  /// How many buckets a time has: `LLMLatency.bounds` and one more. The number of columns stays, whatever becomes of the bounds.
  static let buckets = 10
  static let latencyBuckets = (0..<buckets).map { "latency_\($0)" }
  static let firstTokenBuckets = (0..<buckets).map { "ttft_\($0)" }
  /// What is added up in a row of an hour.
  static let sums =
    [
      "calls", "errors", "interrupted", "refused", "input", "cached_input", "cache_write", "output", "reasoning", "cost", "unknown_price",
      "latency_sum", "ttft_sum",
    ] + latencyBuckets + firstTokenBuckets
  static let maxima = ["latency_max", "ttft_max"]

  /// Who, by which route, which model: texts, empty where there is none.
  static let who = ["agent_id", "agent", "owner", "template", "route", "model"]

  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1-llm") { db in
      let who = Self.who.map { "\($0) TEXT NOT NULL" }.joined(separator: ", ")
      let numbers = (sums + maxima).map { "\($0) INTEGER NOT NULL" }.joined(separator: ", ")
      // Minutes are kept for as long as a limit may ask for them, hours for the retention, calls up to a number. A call is open from its
      // reservation to its end, if these did not come in one turn.
      try db.execute(
        sql: """
          CREATE TABLE usage_hour (
            hour INTEGER NOT NULL, \(who), investigation TEXT NOT NULL, \(numbers),
            PRIMARY KEY (hour, agent_id, template, route, model, investigation)
          ) WITHOUT ROWID, STRICT;
          CREATE TABLE usage_minute (
            minute INTEGER NOT NULL, \(who), tokens INTEGER NOT NULL, cost INTEGER NOT NULL, requests INTEGER NOT NULL,
            PRIMARY KEY (minute, agent_id, template, route, model)
          ) WITHOUT ROWID, STRICT;
          CREATE TABLE open_call (
            id TEXT PRIMARY KEY, time INTEGER NOT NULL, \(who), investigation TEXT NOT NULL, input INTEGER NOT NULL,
            output INTEGER NOT NULL, cost INTEGER NOT NULL, is_price_known INTEGER NOT NULL
          ) WITHOUT ROWID, STRICT;
          CREATE TABLE call (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, \(who), investigation TEXT NOT NULL, outcome TEXT NOT NULL,
            input INTEGER NOT NULL, cached_input INTEGER NOT NULL, cache_write INTEGER NOT NULL, output INTEGER NOT NULL,
            reasoning INTEGER NOT NULL, cost INTEGER NOT NULL, is_price_known INTEGER NOT NULL, latency INTEGER, ttft INTEGER
          ) STRICT;
          CREATE TABLE warned (
            budget TEXT NOT NULL, span TEXT NOT NULL, whose TEXT NOT NULL, start INTEGER NOT NULL, PRIMARY KEY (budget, span, whose)
          ) WITHOUT ROWID, STRICT;
          CREATE TABLE journal (file TEXT PRIMARY KEY, offset INTEGER NOT NULL) WITHOUT ROWID, STRICT;
          """)
    }
    migrator.registerMigration("2-runs") { db in
      // One open run for each agent: the last one that called a model under limits. Of runs that came to a good end the newest are kept.
      try db.execute(
        sql: """
          CREATE TABLE open_run (
            agent_id TEXT PRIMARY KEY, run TEXT NOT NULL, owner TEXT NOT NULL, tier TEXT NOT NULL, calls INTEGER NOT NULL,
            trip TEXT NOT NULL, count INTEGER NOT NULL, bound INTEGER NOT NULL, time INTEGER NOT NULL
          ) WITHOUT ROWID, STRICT;
          CREATE TABLE good_run (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, agent_id TEXT NOT NULL, owner TEXT NOT NULL, tier TEXT NOT NULL,
            calls INTEGER NOT NULL
          ) STRICT;
          CREATE INDEX good_run_of ON good_run (owner, tier, seq);
          """)
    }
    return migrator
  }
}

extension LLMCallKey {
  /// In the order of `LLMSchema.who`.
  var columns: [any DatabaseValueConvertible] {
    [caller.id.text, caller.name, caller.owner.raw, caller.template ?? "", route, model]
  }
}

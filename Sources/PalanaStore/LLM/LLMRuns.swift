import GRDB
package import PalanaCore

/// A run of an agent, as far as it has called models under limits.
package struct LLMOpenRun: Hashable, Sendable {
  package var agent: AgentID
  /// Tells it from every other run of the agent.
  package var run: String
  package var owner: UserIdentity
  /// Empty: none.
  package var tier: String
  package var calls: Int
  /// Which limit it went over; nil: none.
  package var trip: Trip?
  /// Of its last call.
  package var time: Timestamp

  package struct Trip: Hashable, Sendable {
    package var limit: String
    package var count: Int
    package var bound: Int

    package init(limit: String, count: Int, bound: Int) {
      self.limit = limit
      self.count = count
      self.bound = bound
    }
  }

  package init(agent: AgentID, run: String, owner: UserIdentity, tier: String, calls: Int, trip: Trip?, time: Timestamp) {
    self.agent = agent
    self.run = run
    self.owner = owner
    self.tier = tier
    self.calls = calls
    self.trip = trip
    self.time = time
  }
}

/// A run that came to a good end.
package struct LLMGoodRun: Hashable, Sendable {
  package var agent: AgentID
  package var owner: UserIdentity
  package var tier: String
  package var calls: Int
  package var time: Timestamp

  package init(agent: AgentID, owner: UserIdentity, tier: String, calls: Int, time: Timestamp) {
    self.agent = agent
    self.owner = owner
    self.tier = tier
    self.calls = calls
    self.time = time
  }
}

/// What became of runs since the last time.
package struct LLMRunChanges: Sendable {
  package var open: [LLMOpenRun] = []
  /// Runs that are over, whatever came of them; one that is open again under the same agent stays.
  package var closed: [(agent: AgentID, run: String)] = []
  package var good: [LLMGoodRun] = []

  package init() {}
  package var isEmpty: Bool { open.isEmpty && closed.isEmpty && good.isEmpty }
}

extension LLMStore {
  /// How many of the newest good runs of each owner and tier are kept.
  package static let goodRuns = 200

  /// Writes all of it, or nothing.
  /// - Throws: ``PalanaError`` with code `failed`.
  package func write(_ changes: LLMRunChanges) async throws(PalanaError) {
    try await database.write { db in
      for run in changes.closed {
        try db.cachedStatement(sql: "DELETE FROM open_run WHERE agent_id = ? AND run = ?").execute(arguments: [run.agent.text, run.run])
      }
      for run in changes.open {
        try db.cachedStatement(sql: "INSERT OR REPLACE INTO open_run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)").execute(
          arguments: [
            run.agent.text, run.run, run.owner.raw, run.tier, run.calls, run.trip?.limit ?? "", run.trip?.count ?? 0, run.trip?.bound ?? 0,
            run.time.microseconds,
          ])
      }
      for run in changes.good {
        try db.cachedStatement(sql: "INSERT INTO good_run (time, agent_id, owner, tier, calls) VALUES (?, ?, ?, ?, ?)").execute(
          arguments: [run.time.microseconds, run.agent.text, run.owner.raw, run.tier, run.calls])
        try db.cachedStatement(
          sql: """
            DELETE FROM good_run WHERE owner = ?1 AND tier = ?2 AND seq <= (
              SELECT seq FROM good_run WHERE owner = ?1 AND tier = ?2 ORDER BY seq DESC LIMIT 1 OFFSET ?3)
            """
        ).execute(arguments: [run.owner.raw, run.tier, Self.goodRuns])
      }
    }
  }

  /// The runs that are open, the newest first, after those were removed whose last call was before `time`.
  /// - Throws: ``PalanaError`` with code `failed`.
  package func openRuns(since time: Timestamp, limit: Int) async throws(PalanaError) -> [LLMOpenRun] {
    try await database.write { db in
      try db.execute(sql: "DELETE FROM open_run WHERE time < ?", arguments: [time.microseconds])
      return try Row.fetchAll(db, sql: "SELECT * FROM open_run ORDER BY time DESC LIMIT ?", arguments: [limit]).map { row in
        guard let agent = AgentID(parsing: row["agent_id"]) else {
          throw PalanaError(.failed, "the database of the LLM gateway holds a malformed agent")
        }
        let limit: String = row["trip"]
        return LLMOpenRun(
          agent: agent, run: row["run"], owner: try UserIdentity(row["owner"]), tier: row["tier"], calls: row["calls"],
          trip: limit.isEmpty ? nil : LLMOpenRun.Trip(limit: limit, count: row["count"], bound: row["bound"]),
          time: Timestamp(microseconds: row["time"]))
      }
    }
  }

  /// The good runs that are kept, in the order in which they ended.
  /// - Throws: ``PalanaError`` with code `failed`.
  package func goodRuns() async throws(PalanaError) -> [LLMGoodRun] {
    try await database.read { db in
      try Row.fetchAll(db, sql: "SELECT * FROM good_run ORDER BY seq").map { row in
        guard let agent = AgentID(parsing: row["agent_id"]) else {
          throw PalanaError(.failed, "the database of the LLM gateway holds a malformed agent")
        }
        return LLMGoodRun(
          agent: agent, owner: try UserIdentity(row["owner"]), tier: row["tier"], calls: row["calls"],
          time: Timestamp(microseconds: row["time"]))
      }
    }
  }
}

import GRDB
package import PalanaCore

/// Small numbers for agents, durable across restarts.
extension SQLiteStore {
  /// The smallest and the largest number that is ever given: 1 is the gateway's address, and 60,000 uid ranges of 65,536 fit
  /// in 32 bits.
  package static let indexRange = 2...60_000

  /// A small number that stands for the agent on this machine; its address and its uid range derive from it.
  ///
  /// The same agent always gets the same number until it is released. Numbers never used come first, then those that were
  /// released longest ago, so that a released address is not soon somebody else's.
  /// - Parameter limit: the largest number that fits the caller's subnet.
  /// - Returns: 2 to `limit`, unique among the agents that hold one.
  /// - Throws: ``PalanaError`` with code `conflict` when none is free.
  package func allocateIndex(
    for agent: AgentID, limit: Int = indexRange.upperBound
  ) async throws(PalanaError) -> Int {
    let limit = min(limit, Self.indexRange.upperBound)
    return try await database.write { db in
      if let held = try Int.fetchOne(
        db, sql: "SELECT number FROM allocation WHERE agent_id = ?", arguments: [agent.text])
      {
        return held
      }
      let highest = try Int.fetchOne(db, sql: "SELECT MAX(number) FROM allocation") ?? Self.indexRange.lowerBound - 1
      if highest < limit {
        try db.execute(
          sql: "INSERT INTO allocation (number, agent_id) VALUES (?, ?)", arguments: [highest + 1, agent.text])
        return highest + 1
      }
      guard
        let free = try Int.fetchOne(
          db,
          sql: """
            SELECT number FROM allocation WHERE agent_id IS NULL AND number <= ? ORDER BY released, number LIMIT 1
            """, arguments: [limit])
      else {
        throw PalanaError(
          .conflict, "this machine has no address left for another agent", hint: "delete agents that are not needed")
      }
      try db.execute(
        sql: "UPDATE allocation SET agent_id = ?, released = NULL WHERE number = ?", arguments: [agent.text, free])
      return free
    }
  }

  /// Gives the number back; nothing happens when the agent holds none. Removing an agent does it by itself.
  package func releaseIndex(of agent: AgentID) async throws(PalanaError) {
    try await database.write { db in try Self.release(agent, db) }
  }

  static func release(_ agent: AgentID, _ db: Database) throws {
    // The sequence orders releases without trusting the clock.
    let order = try ResourceSchema.nextVersion(db)
    try db.execute(
      sql: "UPDATE allocation SET agent_id = NULL, released = ? WHERE agent_id = ?", arguments: [order, agent.text])
  }
}

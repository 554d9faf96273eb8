import GRDB
package import PalanaAPI
package import PalanaCore

/// What one caller used of one model by one route, in each window in which a moment lies.
package struct LLMTally: Hashable, Sendable {
  package var key: LLMCallKey
  package var used: [LLMWindow: LLMAmounts]

  package init(key: LLMCallKey, used: [LLMWindow: LLMAmounts]) {
    self.key = key
    self.used = used
  }
}

extension LLMStore {
  /// What was used in the windows in which `now` lies: where the counting goes on after a start. Exact, as a minute, an hour, a day and a
  /// month consist of whole minutes or whole hours that are kept.
  package func tallies(now: Timestamp) async throws(PalanaError) -> [LLMTally] {
    try await database.read { db in
      var tallies: [LLMCallKey: [LLMWindow: LLMAmounts]] = [:]
      for window in LLMWindow.allCases {
        let table = window == .minute ? "usage_minute" : "usage_hour"
        let begin = window == .minute ? "minute" : "hour"
        let tokens = window == .minute ? "sum(tokens)" : "sum(input + output)"
        let rows = try Row.fetchAll(
          db,
          sql: """
            SELECT agent_id, max(agent) AS agent, max(owner) AS owner, template, route, model, \(tokens) AS tokens, sum(cost) AS cost,
              sum(\(window == .minute ? "requests" : "calls")) AS requests
            FROM \(table) WHERE \(begin) >= ? AND \(begin) < ? GROUP BY agent_id, template, route, model
            """, arguments: [window.start(of: now).microseconds, window.end(of: now).microseconds])
        for row in rows {
          let key = try LLMCallKey(row: row)
          tallies[key, default: [:]][window] = LLMAmounts(
            tokens: row["tokens"], cost: Cost(nanoDollars: row["cost"]), requests: row["requests"])
        }
      }
      return tallies.map { LLMTally(key: $0.key, used: $0.value) }
    }
  }
}

import GRDB
package import PalanaAPI
package import PalanaCore

extension LLMStore {
  /// Adds up what was used.
  /// - Throws: ``PalanaError`` with code `invalid` when the limit is not 1 to 1,000, or `failed`.
  package func usage(_ query: LLMUsageQuery) async throws(PalanaError) -> [LLMUsageRow] {
    guard (1...1000).contains(query.limit) else { throw PalanaError(.invalid, "limit: 1 to 1000") }
    return try await database.read { db in
      let grouping = LLMUsageGrouping(query.by)
      let (condition, arguments) = Self.condition(query)
      let sums = LLMSchema.sums.map { "sum(\($0)) AS \($0)" } + LLMSchema.maxima.map { "max(\($0)) AS \($0)" }
      return try Row.fetchAll(
        db,
        sql: """
          SELECT \(grouping.key) AS key, max(agent_id) AS agent_id, max(owner) AS owner, \(sums.joined(separator: ", "))
          FROM usage_hour \(condition) GROUP BY \(grouping.groups) ORDER BY \(grouping.order) LIMIT ?
          """, arguments: arguments + [query.limit]
      ).map { LLMUsageRow(row: $0, by: query.by) }
    }
  }

  /// The newest calls, newest first.
  /// - Parameters:
  ///   - agent: name or identifier.
  ///   - limit: 1 to 1,000.
  package func newestCalls(owner: UserIdentity? = nil, agent: String? = nil, limit: Int) async throws(PalanaError) -> [LLMCallRow] {
    guard (1...1000).contains(limit) else { throw PalanaError(.invalid, "limit: 1 to 1000") }
    return try await database.read { db in
      var query = LLMUsageQuery(by: .agent)
      query.owner = owner
      query.agent = agent
      let (condition, arguments) = Self.condition(query)
      return try Row.fetchAll(
        db, sql: "SELECT * FROM call \(condition) ORDER BY seq DESC LIMIT ?", arguments: arguments + [limit]
      ).map { try LLMCallRow(row: $0) }
    }
  }

  private static func condition(_ query: LLMUsageQuery) -> (String, StatementArguments) {
    var parts: [String] = []
    var arguments = StatementArguments()
    func add(_ part: String, _ value: (any DatabaseValueConvertible)?) {
      guard let value else { return }
      parts.append(part)
      arguments += [value]
    }
    add("hour >= ?", query.from.map { LLMWindow.hour.start(of: $0).microseconds })
    add("hour < ?", query.to?.microseconds)
    add("owner = ?", query.owner?.raw)
    add("model = ?", query.model)
    add("route = ?", query.route)
    if let agent = query.agent {
      parts.append("(agent = ? OR agent_id = ?)")
      arguments += [agent, agent]
    }
    return (parts.isEmpty ? "" : "WHERE " + parts.joined(separator: " AND "), arguments)
  }
}

/// How rows of hours come together.
private struct LLMUsageGrouping {
  var key: String
  var groups: String
  var order = "cost DESC, calls DESC, key"

  init(_ grouping: LLMUsageQuery.Grouping) {
    switch grouping {
    case .agent: (key, groups) = ("max(agent)", "agent_id")
    case .owner: (key, groups) = ("owner", "owner")
    case .model: (key, groups) = ("model", "model")
    case .route: (key, groups) = ("route", "route")
    case .template: (key, groups) = ("template", "template")
    case .investigation: (key, groups) = ("investigation", "investigation")
    case .hour: (key, groups, order) = ("hour", "hour", "hour")
    case .day: (key, groups, order) = ("hour / 86400000000", "hour / 86400000000", "hour / 86400000000")
    }
  }
}

extension LLMUsageRow {
  fileprivate init(row: Row, by grouping: LLMUsageQuery.Grouping) {
    let key: String =
      switch grouping {
      case .hour: Timestamp(microseconds: row["key"]).description
      case .day: String(Timestamp(seconds: (row["key"] as Int64) * 86_400).description.prefix(10))
      case .agent, .owner, .model, .route, .template, .investigation: row["key"]
      }
    func time(_ name: String, _ buckets: [String]) -> LLMLatency {
      LLMLatency(sumMicroseconds: row["\(name)_sum"], maxMicroseconds: row["\(name)_max"], counts: buckets.map { row[$0] })
    }
    self.init(
      key: key, agentID: grouping == .agent ? row["agent_id"] : nil, owner: grouping == .agent ? row["owner"] : nil, calls: row["calls"],
      errors: row["errors"], interrupted: row["interrupted"], refused: row["refused"],
      tokens: TokenUsage(
        input: row["input"], cachedInput: row["cached_input"], cacheWrite: row["cache_write"], output: row["output"],
        reasoning: row["reasoning"]), cost: Cost(nanoDollars: row["cost"]), isPriceKnown: (row["unknown_price"] as Int64) == 0,
      latency: time("latency", LLMSchema.latencyBuckets), timeToFirstToken: time("ttft", LLMSchema.firstTokenBuckets))
  }
}

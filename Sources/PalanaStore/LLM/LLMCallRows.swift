import GRDB
import PalanaAPI
import PalanaCore

extension LLMCallKey {
  /// - Throws: ``PalanaError`` when somebody else wrote into the database.
  init(row: Row) throws {
    guard let id = AgentID(parsing: row["agent_id"]) else {
      throw PalanaError(.failed, "the database of the LLM gateway holds a malformed agent")
    }
    let template: String = row["template"]
    self.init(
      caller: LLMCaller(id: id, name: row["agent"], owner: try UserIdentity(row["owner"]), template: template.isEmpty ? nil : template),
      route: row["route"], model: row["model"])
  }
}

extension LLMReservedCall {
  init(row: Row) throws {
    let investigation: String = row["investigation"]
    self.init(
      id: row["id"], time: Timestamp(microseconds: row["time"]), key: try LLMCallKey(row: row),
      investigation: investigation.isEmpty ? nil : investigation, input: row["input"], output: row["output"],
      cost: Cost(nanoDollars: row["cost"]), isPriceKnown: row["is_price_known"])
  }

  func insert(_ db: Database) throws {
    let numbers: [any DatabaseValueConvertible] = [input, output, cost.nanoDollars, isPriceKnown]
    try db.cachedStatement(
      sql: """
        INSERT OR REPLACE INTO open_call (id, time, \(LLMSchema.who.joined(separator: ", ")), investigation, input, output, cost,
          is_price_known) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """
    ).execute(arguments: StatementArguments([id, time.microseconds] + key.columns + [investigation ?? ""] + numbers))
  }
}

extension LLMEndedCall {
  func insert(_ db: Database) throws {
    let numbers: [(any DatabaseValueConvertible)?] = [
      outcome.rawValue, usage.input, usage.cachedInput, usage.cacheWrite, usage.output, usage.reasoning, cost.nanoDollars, isPriceKnown,
      latency, timeToFirstToken,
    ]
    try db.cachedStatement(
      sql: """
        INSERT INTO call (time, \(LLMSchema.who.joined(separator: ", ")), investigation, outcome, input, cached_input, cache_write,
          output, reasoning, cost, is_price_known, latency, ttft) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """
    ).execute(arguments: StatementArguments([time.microseconds] + key.columns + [investigation ?? ""] + numbers))
  }
}

extension LLMCallRow {
  init(row: Row) throws {
    let investigation: String = row["investigation"]
    let latency: Int64? = row["latency"]
    let firstToken: Int64? = row["ttft"]
    self.init(
      time: Timestamp(microseconds: row["time"]), agent: row["agent"], agentID: row["agent_id"], owner: row["owner"], route: row["route"],
      model: row["model"], investigation: investigation.isEmpty ? nil : investigation,
      outcome: LLMOutcome(rawValue: row["outcome"]) ?? .error,
      tokens: TokenUsage(
        input: row["input"], cachedInput: row["cached_input"], cacheWrite: row["cache_write"], output: row["output"],
        reasoning: row["reasoning"]), cost: Cost(nanoDollars: row["cost"]), isPriceKnown: row["is_price_known"],
      latencyMs: latency.map { Double($0) / 1000 }, timeToFirstTokenMs: firstToken.map { Double($0) / 1000 })
  }
}

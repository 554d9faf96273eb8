import PalanaAPI
import PalanaCore
import PalanaStore

/// Reads lines of the journal back.
enum JournalDecoder {
  struct Line {
    /// Nil: it cannot be read, or it would give back what was taken and its checksum is wrong.
    var record: LLMRecord?
    /// Whether it is as it was written.
    var isIntact: Bool
  }

  /// - Parameter line: without its line break.
  ///
  /// Of a line that was damaged only a reservation counts, and only if it can be read: it takes, so at worst too much is charged. A settlement
  /// gives back, so a damaged one does not count and the whole reservation stays charged.
  static func line(_ line: Span<UInt8>) -> Line {
    let isIntact = JournalWriter.isIntact(line)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(line.count)
    for index in line.indices.dropFirst(JournalWriter.checksumBytes) { bytes.append(line[index]) }
    guard let object = try? JSONValue(parsing: bytes[...]), let record = record(object) else { return Line(record: nil, isIntact: false) }
    if !isIntact, case .reserved = record { return Line(record: record, isIntact: false) }
    return Line(record: isIntact ? record : nil, isIntact: isIntact)
  }

  private static func record(_ object: JSONValue) -> LLMRecord? {
    switch object["is"]?.string {
    case "reserved": reserved(object).map(LLMRecord.reserved)
    case "ended": ended(object).map(LLMRecord.ended)
    case "released": object["id"]?.string.map { .released(id: $0) }
    case "warned": warned(object).map(LLMRecord.warned)
    default: nil
    }
  }

  private static func reserved(_ object: JSONValue) -> LLMReservedCall? {
    guard let id = object["id"]?.string, let time = number(object, "time"), let key = key(object), let input = number(object, "input"),
      let output = number(object, "output"), let cost = number(object, "cost"), let known = number(object, "known")
    else { return nil }
    return LLMReservedCall(
      id: id, time: Timestamp(microseconds: time), key: key, investigation: object["investigation"]?.string,
      input: LedgerBounds.tokens(input), output: LedgerBounds.tokens(output), cost: LedgerBounds.cost(Cost(nanoDollars: cost)),
      isPriceKnown: known == 1)
  }

  private static func ended(_ object: JSONValue) -> LLMEndedCall? {
    guard let id = object["id"]?.string, let time = number(object, "time"), let key = key(object), let input = number(object, "input"),
      let cached = number(object, "cached"), let written = number(object, "written"), let output = number(object, "output"),
      let reasoning = number(object, "reasoning"), let cost = number(object, "cost"), let known = number(object, "known"),
      let outcome = object["outcome"]?.string.flatMap(LLMOutcome.init(rawValue:)), let latency = number(object, "latency")
    else { return nil }
    let usage = TokenUsage(input: input, cachedInput: cached, cacheWrite: written, output: output, reasoning: reasoning)
    return LLMEndedCall(
      id: id, time: Timestamp(microseconds: time), key: key, investigation: object["investigation"]?.string,
      usage: LedgerBounds.usage(usage), cost: LedgerBounds.cost(Cost(nanoDollars: cost)), isPriceKnown: known == 1, outcome: outcome,
      latency: latency, timeToFirstToken: number(object, "first"))
  }

  private static func warned(_ object: JSONValue) -> LLMWarningMark? {
    guard let budget = object["budget"]?.string, let window = object["window"]?.string.flatMap(LLMWindow.init(rawValue:)),
      let group = object["group"]?.string, let start = number(object, "start")
    else { return nil }
    return LLMWarningMark(budget: budget, window: window, group: group, start: Timestamp(microseconds: start))
  }

  private static func key(_ object: JSONValue) -> LLMCallKey? {
    guard let id = object["agent"]?.string.flatMap(AgentID.init(parsing:)), let name = object["name"]?.string,
      let owner = object["owner"]?.string.flatMap({ try? UserIdentity($0) }), let route = object["route"]?.string,
      let model = object["model"]?.string
    else { return nil }
    return LLMCallKey(
      caller: LLMCaller(id: id, name: name, owner: owner, template: object["template"]?.string), route: route, model: model)
  }

  private static func number(_ object: JSONValue, _ name: String) -> Int64? {
    if case .number(let number)? = object[name] { number.integer(Int64.self) } else { nil }
  }
}

package import PalanaCore

/// What the search columns of an event are filled from, read out of its line without decoding all of it.
package struct AuditLine: Hashable, Sendable {
  package var time: Timestamp
  package var component: String
  package var decision: String
  package var severity: String?
  package var agentID: String?
  package var agentName: String?
  package var owner: String?
  package var actor: String?
  package var host: String?

  /// Reads the line of one event, as ``AuditEncoder`` writes it (`{"time":…}`, no line break).
  /// - Returns: nil when it is not one JSON object with at least a time, a component and a decision.
  package init?(parsing line: [UInt8]) { self.init(parsing: line[...]) }

  /// As ``init(parsing:)``, of a part of many lines.
  package init?(parsing line: ArraySlice<UInt8>) {
    var scanner = AuditLineScanner(line)
    guard let fields = scanner.scan(), let timeText = fields.time, let time = Timestamp(parsing: timeText),
      let component = fields.component, AuditEvent.Component(rawValue: component) != nil,
      let decision = fields.decision, AuditEvent.Decision(rawValue: decision) != nil
    else { return nil }
    self.time = time
    self.component = component
    self.decision = decision
    severity = fields.severity
    agentID = fields.agentID
    agentName = fields.agentName
    owner = fields.owner
    actor = fields.actor
    host = fields.host
  }
}

/// Walks over one JSON object and picks out single texts. It checks the structure and skips what it does not want.
private struct AuditLineScanner {
  struct Fields {
    var time: String?
    var component: String?
    var decision: String?
    var severity: String?
    var agentID: String?
    var agentName: String?
    var owner: String?
    var actor: String?
    var host: String?
  }

  private let bytes: ArraySlice<UInt8>
  private var index: Int

  init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    index = bytes.startIndex
  }

  mutating func scan() -> Fields? {
    var fields = Fields()
    let isWhole = members { scanner, name in
      switch name {
      case "time": scanner.text(&fields.time)
      case "component": scanner.text(&fields.component)
      case "decision": scanner.text(&fields.decision)
      case "severity": scanner.text(&fields.severity)
      case "actor": scanner.text(&fields.actor)
      case "agent":
        scanner.members { scanner, name in
          switch name {
          case "id": scanner.text(&fields.agentID)
          case "name": scanner.text(&fields.agentName)
          case "owner": scanner.text(&fields.owner)
          default: scanner.skip()
          }
        }
      case "request":
        scanner.members { scanner, name in name == "host" ? scanner.text(&fields.host) : scanner.skip() }
      default: scanner.skip()
      }
    }
    return isWhole && index == bytes.endIndex ? fields : nil
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard index < bytes.endIndex, bytes[index] == byte else { return false }
    index += 1
    return true
  }

  /// An object, with `body` called in front of each value.
  private mutating func members(_ body: (inout Self, String) -> Bool) -> Bool {
    guard take(UInt8(ascii: "{")) else { return false }
    if take(UInt8(ascii: "}")) { return true }
    while true {
      guard let name = string(), take(UInt8(ascii: ":")), body(&self, name) else { return false }
      if take(UInt8(ascii: "}")) { return true }
      guard take(UInt8(ascii: ",")) else { return false }
    }
  }

  private mutating func text(_ field: inout String?) -> Bool {
    guard let value = string() else { return false }
    field = value
    return true
  }

  /// The range of a text with its quotes, and whether it holds escapes.
  private mutating func quoted() -> (range: Range<Int>, isEscaped: Bool)? {
    let start = index
    guard take(UInt8(ascii: "\"")) else { return nil }
    var isEscaped = false
    while index < bytes.endIndex {
      let byte = bytes[index]
      index += 1
      if byte == UInt8(ascii: "\"") { return (start..<index, isEscaped) }
      if byte == UInt8(ascii: "\\") {
        isEscaped = true
        index += 1
      }
    }
    return nil
  }

  private mutating func string() -> String? {
    guard let (range, isEscaped) = quoted() else { return nil }
    if !isEscaped { return String(decoding: bytes[range.lowerBound + 1..<range.upperBound - 1], as: UTF8.self) }
    return (try? JSONValue(parsing: bytes[range]))?.string
  }

  /// Any value: brackets are counted, texts are passed over.
  private mutating func skip() -> Bool {
    var depth = 0
    while index < bytes.endIndex {
      switch bytes[index] {
      case UInt8(ascii: "\""):
        guard quoted() != nil else { return false }
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        depth += 1
        index += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        if depth == 0 { return true }
        depth -= 1
        index += 1
      case UInt8(ascii: ","):
        if depth == 0 { return true }
        index += 1
      default: index += 1
      }
    }
    return false
  }
}

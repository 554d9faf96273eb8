package import PalanaCore

/// What the search columns of an event are filled from, read out of its line without decoding all of it.
package struct AuditLine: Hashable, Sendable {
  /// UTF-8: a part of the line, or, of a text with escapes, what it says.
  package typealias Text = ArraySlice<UInt8>

  package var time: Timestamp
  package var component: Text
  package var decision: Text
  package var severity: Text?
  package var agentID: Text?
  package var agentName: Text?
  package var owner: Text?
  package var actor: Text?
  package var host: Text?

  /// Reads the line of one event, as ``AuditEncoder`` writes it (`{"time":…}`, no line break).
  /// - Returns: nil when it is not one JSON object with at least a time, a component and a decision.
  package init?(parsing line: [UInt8]) { self.init(parsing: line[...]) }

  /// As ``init(parsing:)``, of a part of many lines, which its texts then share.
  package init?(parsing line: ArraySlice<UInt8>) {
    var scanner = AuditLineScanner(line)
    guard let fields = scanner.scan(), let timeText = fields.time, let time = Timestamp(parsing: timeText),
      let component = fields.component, Self.components.contains(component),
      let decision = fields.decision, Self.decisions.contains(decision)
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

  private static let components = AuditEvent.Component.allCases.map { Array($0.rawValue.utf8)[...] }
  private static let decisions = AuditEvent.Decision.allCases.map { Array($0.rawValue.utf8)[...] }
}

/// Walks over one JSON object and picks out single texts. It checks the structure and skips what it does not want.
private struct AuditLineScanner {
  struct Fields {
    var time: AuditLine.Text?
    var component: AuditLine.Text?
    var decision: AuditLine.Text?
    var severity: AuditLine.Text?
    var agentID: AuditLine.Text?
    var agentName: AuditLine.Text?
    var owner: AuditLine.Text?
    var actor: AuditLine.Text?
    var host: AuditLine.Text?
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
      if scanner.says("time", name) { return scanner.text(&fields.time) }
      if scanner.says("component", name) { return scanner.text(&fields.component) }
      if scanner.says("decision", name) { return scanner.text(&fields.decision) }
      if scanner.says("severity", name) { return scanner.text(&fields.severity) }
      if scanner.says("actor", name) { return scanner.text(&fields.actor) }
      if scanner.says("agent", name) { return scanner.agent(&fields) }
      if scanner.says("request", name) {
        return scanner.members { scanner, name in
          scanner.says("host", name) ? scanner.text(&fields.host) : scanner.skip()
        }
      }
      return scanner.skip()
    }
    return isWhole && index == bytes.endIndex ? fields : nil
  }

  private mutating func agent(_ fields: inout Fields) -> Bool {
    members { scanner, name in
      if scanner.says("id", name) { return scanner.text(&fields.agentID) }
      if scanner.says("name", name) { return scanner.text(&fields.agentName) }
      if scanner.says("owner", name) { return scanner.text(&fields.owner) }
      return scanner.skip()
    }
  }

  /// Whether the bytes at a place are this word. A name with escapes is none that is looked for.
  private func says(_ word: StaticString, _ place: Range<Int>) -> Bool {
    guard word.utf8CodeUnitCount == place.count else { return false }
    for offset in 0..<place.count where unsafe word.utf8Start[offset] != bytes[place.lowerBound + offset] { return false }
    return true
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard index < bytes.endIndex, bytes[index] == byte else { return false }
    index += 1
    return true
  }

  /// An object, with `body` called in front of each value.
  private mutating func members(_ body: (inout Self, Range<Int>) -> Bool) -> Bool {
    guard take(UInt8(ascii: "{")) else { return false }
    if take(UInt8(ascii: "}")) { return true }
    while true {
      guard let (name, _) = quoted(), take(UInt8(ascii: ":")), body(&self, name) else { return false }
      if take(UInt8(ascii: "}")) { return true }
      guard take(UInt8(ascii: ",")) else { return false }
    }
  }

  private mutating func text(_ field: inout AuditLine.Text?) -> Bool {
    guard let (range, isEscaped) = quoted() else { return false }
    if isEscaped {
      guard let text = try? JSONValue(parsing: bytes[range.lowerBound - 1...range.upperBound]).string else { return false }
      field = Array(text.utf8)[...]
    } else {
      field = bytes[range]
    }
    return true
  }

  /// The range of a text without its quotes, and whether it holds escapes.
  private mutating func quoted() -> (range: Range<Int>, isEscaped: Bool)? {
    let start = index
    guard take(UInt8(ascii: "\"")) else { return nil }
    var isEscaped = false
    while index < bytes.endIndex {
      let byte = bytes[index]
      index += 1
      if byte == UInt8(ascii: "\"") { return (start + 1..<index - 1, isEscaped) }
      if byte == UInt8(ascii: "\\") {
        isEscaped = true
        index += 1
      }
    }
    return nil
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

package import PalanaCore

/// What the search columns of an event are filled from, read out of its line without decoding all of it: places in the line, so that
/// reading one costs no memory of its own.
package struct AuditLine: Hashable, Sendable {
  /// The place of a text in the line, without its quotes.
  package struct Text: Hashable, Sendable {
    /// Counted from the start of the line.
    package var range: Range<Int>
    /// Whether it is written with escapes, so that the bytes of the line are not what it says.
    package var isEscaped: Bool

    package init(range: Range<Int>, isEscaped: Bool) {
      self.range = range
      self.isEscaped = isEscaped
    }

    /// What it says, in UTF-8.
    /// - Parameter line: the line in which it was found.
    package func bytes(in line: Span<UInt8>) -> [UInt8] {
      // One byte more at each end: the quotes, which belong to a text of JSON.
      let lower = isEscaped ? range.lowerBound - 1 : range.lowerBound
      let upper = isEscaped ? range.upperBound + 1 : range.upperBound
      guard lower >= 0, upper <= line.count else { return [] }
      var bytes: [UInt8] = []
      bytes.reserveCapacity(upper - lower)
      for index in lower..<upper { bytes.append(line[index]) }
      guard isEscaped else { return bytes }
      return ((try? JSONValue(parsing: bytes[...]).string)?.utf8).map(Array.init) ?? []
    }
  }

  package var time: Timestamp
  package var component: Text
  package var decision: Text
  package var severity: Text?
  package var agentID: Text?
  package var agentName: Text?
  package var owner: Text?
  package var actor: Text?
  package var host: Text?
  /// Where a collected event comes from.
  package var pod: Text?

  /// Reads the line of one event, as ``AuditEncoder`` writes it (`{"time":…}`, no line break).
  /// - Returns: nil when it is not one JSON object with at least a time, a component and a decision.
  package init?(parsing line: Span<UInt8>) {
    var scanner = AuditLineScanner()
    guard let fields = scanner.scan(line), let timeText = fields.time, !timeText.isEscaped,
      let time = Timestamp(parsing: line.extracting(timeText.range)),
      let component = fields.component, Self.components.contains(where: { component.says($0, in: line) }),
      let decision = fields.decision, Self.decisions.contains(where: { decision.says($0, in: line) })
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
    pod = fields.pod
  }

  private static let components = AuditEvent.Component.allCases.map { Array($0.rawValue.utf8) }
  private static let decisions = AuditEvent.Decision.allCases.map { Array($0.rawValue.utf8) }
}

extension AuditLine.Text {
  fileprivate func says(_ word: [UInt8], in line: Span<UInt8>) -> Bool {
    guard !isEscaped, range.count == word.count else { return false }
    for offset in word.indices where word[offset] != line[range.lowerBound + offset] { return false }
    return true
  }
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
    var pod: AuditLine.Text?
  }

  private var index = 0

  mutating func scan(_ bytes: Span<UInt8>) -> Fields? {
    var fields = Fields()
    let isWhole = members(bytes) { scanner, name, bytes in
      if name.says("time", bytes) { return scanner.text(&fields.time, bytes) }
      if name.says("component", bytes) { return scanner.text(&fields.component, bytes) }
      if name.says("decision", bytes) { return scanner.text(&fields.decision, bytes) }
      if name.says("severity", bytes) { return scanner.text(&fields.severity, bytes) }
      if name.says("actor", bytes) { return scanner.text(&fields.actor, bytes) }
      if name.says("agent", bytes) { return scanner.agent(&fields, bytes) }
      if name.says("request", bytes) {
        return scanner.members(bytes) { scanner, name, bytes in
          name.says("host", bytes) ? scanner.text(&fields.host, bytes) : scanner.skip(bytes)
        }
      }
      if name.says("origin", bytes) {
        return scanner.members(bytes) { scanner, name, bytes in
          name.says("pod", bytes) ? scanner.text(&fields.pod, bytes) : scanner.skip(bytes)
        }
      }
      return scanner.skip(bytes)
    }
    return isWhole && index == bytes.count ? fields : nil
  }

  private mutating func agent(_ fields: inout Fields, _ bytes: Span<UInt8>) -> Bool {
    members(bytes) { scanner, name, bytes in
      if name.says("id", bytes) { return scanner.text(&fields.agentID, bytes) }
      if name.says("name", bytes) { return scanner.text(&fields.agentName, bytes) }
      if name.says("owner", bytes) { return scanner.text(&fields.owner, bytes) }
      return scanner.skip(bytes)
    }
  }

  private mutating func take(_ byte: UInt8, _ bytes: Span<UInt8>) -> Bool {
    guard index < bytes.count, bytes[index] == byte else { return false }
    index += 1
    return true
  }

  /// An object, with `body` called in front of each value. A name with escapes is none that is looked for.
  private mutating func members(_ bytes: Span<UInt8>, _ body: (inout Self, Range<Int>, Span<UInt8>) -> Bool) -> Bool {
    guard take(UInt8(ascii: "{"), bytes) else { return false }
    if take(UInt8(ascii: "}"), bytes) { return true }
    while true {
      guard let name = quoted(bytes), take(UInt8(ascii: ":"), bytes), body(&self, name.range, bytes) else { return false }
      if take(UInt8(ascii: "}"), bytes) { return true }
      guard take(UInt8(ascii: ","), bytes) else { return false }
    }
  }

  private mutating func text(_ field: inout AuditLine.Text?, _ bytes: Span<UInt8>) -> Bool {
    guard let text = quoted(bytes) else { return false }
    if text.isEscaped, Self.isBroken(text, bytes) { return false }
    field = text
    return true
  }

  private static func isBroken(_ text: AuditLine.Text, _ bytes: Span<UInt8>) -> Bool {
    var quoted: [UInt8] = []
    for index in text.range.lowerBound - 1...text.range.upperBound { quoted.append(bytes[index]) }
    return (try? JSONValue(parsing: quoted[...]).string) == nil
  }

  private mutating func quoted(_ bytes: Span<UInt8>) -> AuditLine.Text? {
    let start = index
    guard take(UInt8(ascii: "\""), bytes) else { return nil }
    var isEscaped = false
    while index < bytes.count {
      let byte = bytes[index]
      index += 1
      if byte == UInt8(ascii: "\"") { return AuditLine.Text(range: start + 1..<index - 1, isEscaped: isEscaped) }
      if byte == UInt8(ascii: "\\") {
        isEscaped = true
        index += 1
      }
    }
    return nil
  }

  /// Any value: brackets are counted, texts are passed over.
  private mutating func skip(_ bytes: Span<UInt8>) -> Bool {
    var depth = 0
    while index < bytes.count {
      switch bytes[index] {
      case UInt8(ascii: "\""):
        guard quoted(bytes) != nil else { return false }
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

extension Range<Int> {
  /// Whether the bytes at this place are this word.
  fileprivate func says(_ word: StaticString, _ bytes: Span<UInt8>) -> Bool {
    guard word.utf8CodeUnitCount == count else { return false }
    for offset in 0..<count where unsafe word.utf8Start[offset] != bytes[lowerBound + offset] { return false }
    return true
  }
}

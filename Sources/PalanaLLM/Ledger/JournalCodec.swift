import PalanaAPI
import PalanaCore
import PalanaStore

/// The lines of the journal: sixteen hexadecimal digits that are a checksum (FNV-1a, 64 bits) of the rest, a space, and one JSON object.
enum JournalCodec {
  /// The members of the object that say who asks for which model, without brackets: the same for many calls, so they are written once.
  static func who(_ key: LLMCallKey) -> [UInt8] {
    var writer = JournalWriter()
    writer.text("agent", key.caller.id.text)
    writer.text("name", key.caller.name)
    writer.text("owner", key.caller.owner.raw)
    if let template = key.caller.template { writer.text("template", template) }
    writer.text("route", key.route)
    writer.text("model", key.model)
    return writer.bytes
  }

  static func reserved(_ reservation: Reservation, id: String, into line: inout [UInt8]) {
    JournalWriter.line(&line) { writer in
      writer.text("is", "reserved")
      writer.text("id", id)
      writer.call(reservation)
      writer.number("input", reservation.input)
      writer.number("output", reservation.output)
      writer.number("cost", reservation.cost.nanoDollars)
      writer.number("known", reservation.isPriceKnown ? 1 : 0)
    }
  }

  static func ended(
    _ reservation: Reservation, id: String, usage: TokenUsage, cost: Cost, settlement: Settlement, into line: inout [UInt8]
  ) {
    JournalWriter.line(&line) { writer in
      writer.text("is", "ended")
      writer.text("id", id)
      writer.call(reservation)
      writer.number("input", usage.input)
      writer.number("cached", usage.cachedInput)
      writer.number("written", usage.cacheWrite)
      writer.number("output", usage.output)
      writer.number("reasoning", usage.reasoning)
      writer.number("cost", cost.nanoDollars)
      writer.number("known", reservation.isPriceKnown || settlement.cost != nil ? 1 : 0)
      writer.text("outcome", settlement.outcome.rawValue)
      writer.number("latency", max(0, settlement.latency.wholeMicroseconds))
      if let first = settlement.timeToFirstToken { writer.number("first", max(0, first.wholeMicroseconds)) }
    }
  }

  static func released(id: String, into line: inout [UInt8]) {
    JournalWriter.line(&line) { writer in
      writer.text("is", "released")
      writer.text("id", id)
    }
  }

  static func warned(_ mark: LLMWarningMark, into line: inout [UInt8]) {
    JournalWriter.line(&line) { writer in
      writer.text("is", "warned")
      writer.text("budget", mark.budget)
      writer.text("window", mark.window.rawValue)
      writer.text("group", mark.group)
      writer.number("start", mark.start.microseconds)
    }
  }
}

/// Appends members of one JSON object, without white space and without memory of its own for numbers.
struct JournalWriter {
  private(set) var bytes: [UInt8] = []

  /// In front of the object: the digits and a space.
  static let checksumBytes = 17

  static func line(_ line: inout [UInt8], _ body: (inout JournalWriter) -> Void) {
    // The array goes through the writer and comes back, so that nothing is copied.
    var writer = JournalWriter()
    swap(&writer.bytes, &line)
    writer.bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: checksumBytes))
    writer.bytes.append(UInt8(ascii: "{"))
    body(&writer)
    writer.bytes.append(UInt8(ascii: "}"))
    let sum = checksum(writer.bytes.span.extracting(checksumBytes...))
    for place in 0..<16 { writer.bytes[place] = digit(sum >> UInt64(60 - 4 * place)) }
    swap(&writer.bytes, &line)
  }

  /// Whether a line is as it was written.
  static func isIntact(_ line: Span<UInt8>) -> Bool {
    guard line.count > checksumBytes, line[checksumBytes - 1] == UInt8(ascii: " ") else { return false }
    let sum = checksum(line.extracting(checksumBytes...))
    for place in 0..<16 where line[place] != digit(sum >> UInt64(60 - 4 * place)) { return false }
    return true
  }

  private static func checksum(_ bytes: Span<UInt8>) -> UInt64 {
    var sum: UInt64 = 0xcbf2_9ce4_8422_2325
    for index in bytes.indices { sum = (sum ^ UInt64(bytes[index])) &* 0x100_0000_01b3 }
    return sum
  }

  private static func digit(_ value: UInt64) -> UInt8 {
    let nibble = UInt8(truncatingIfNeeded: value & 15)
    return nibble < 10 ? 48 + nibble : 87 + nibble
  }

  mutating func text(_ name: StaticString, _ value: String) {
    begin(name)
    JSONText.append(value, to: &bytes)
  }

  mutating func number(_ name: StaticString, _ value: Int64) {
    begin(name)
    if value < 0 { bytes.append(UInt8(ascii: "-")) }
    var rest = value.magnitude
    let start = bytes.count
    repeat {
      bytes.append(UInt8(truncatingIfNeeded: 48 + rest % 10))
      rest /= 10
    } while rest > 0
    bytes[start...].reverse()
  }

  mutating func call(_ reservation: Reservation) {
    number("time", reservation.time.microseconds)
    bytes.append(UInt8(ascii: ","))
    bytes.append(contentsOf: reservation.who)
    if let investigation = reservation.investigation { text("investigation", investigation) }
  }

  private mutating func begin(_ name: StaticString) {
    if let last = bytes.last, last != UInt8(ascii: "{") { bytes.append(UInt8(ascii: ",")) }
    bytes.append(UInt8(ascii: "\""))
    // `unsafe`: the bytes of a name in the program itself.
    for offset in 0..<name.utf8CodeUnitCount { bytes.append(unsafe name.utf8Start[offset]) }
    bytes.append(UInt8(ascii: "\""))
    bytes.append(UInt8(ascii: ":"))
  }
}

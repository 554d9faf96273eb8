/// A moment in UTC, in whole microseconds since 1970, with the RFC 3339 text form.
///
/// Written by hand because an audit event is formatted on the hot path, where a date formatter costs more than the decision.
package struct Timestamp: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// Microseconds since 1970-01-01T00:00:00Z; negative before.
  package let microseconds: Int64

  package init(microseconds: Int64) { self.microseconds = microseconds }
  package init(seconds: Int64) { microseconds = seconds * 1_000_000 }

  package static func < (left: Self, right: Self) -> Bool { left.microseconds < right.microseconds }
  package static func + (left: Self, right: Duration) -> Self {
    Timestamp(microseconds: left.microseconds + right.wholeMicroseconds)
  }
  package static func - (left: Self, right: Duration) -> Self {
    Timestamp(microseconds: left.microseconds - right.wholeMicroseconds)
  }
  package static func - (left: Self, right: Self) -> Duration {
    .microseconds(left.microseconds - right.microseconds)
  }

  /// For example `2026-11-21T00:48:35.120034Z` (always six digits, so that text order is time order).
  package var description: String {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(27)
    write(into: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Appends the text form, 27 bytes for years 0 to 9999.
  package func write(into bytes: inout [UInt8]) {
    let (days, rest) = Self.floorDivide(microseconds, 86_400_000_000)
    let (year, month, day) = Self.civil(fromDays: days)
    func put(_ value: Int64, digits: Int) {
      var divisor: Int64 = 1
      for _ in 1..<digits { divisor *= 10 }
      while divisor > 0 {
        bytes.append(UInt8(truncatingIfNeeded: 48 + (value / divisor) % 10))
        divisor /= 10
      }
    }
    put(year, digits: 4)
    bytes.append(UInt8(ascii: "-"))
    put(month, digits: 2)
    bytes.append(UInt8(ascii: "-"))
    put(day, digits: 2)
    bytes.append(UInt8(ascii: "T"))
    put(rest / 3_600_000_000, digits: 2)
    bytes.append(UInt8(ascii: ":"))
    put(rest / 60_000_000 % 60, digits: 2)
    bytes.append(UInt8(ascii: ":"))
    put(rest / 1_000_000 % 60, digits: 2)
    bytes.append(UInt8(ascii: "."))
    put(rest % 1_000_000, digits: 6)
    bytes.append(UInt8(ascii: "Z"))
  }

  /// Reads RFC 3339 text with `Z` or a numeric offset and up to nine fraction digits (cut to six).
  package init?(parsing text: String) { self.init(parsing: Array(text.utf8).span) }

  /// As ``init(parsing:)``, of ASCII.
  package init?(parsing text: Span<UInt8>) {
    var reader = Reader()
    guard let year = reader.number(4, text), reader.literal(45, text), let month = reader.number(2, text), reader.literal(45, text),
      let day = reader.number(2, text), reader.literal(84, text) || reader.literal(116, text) || reader.literal(32, text),
      let hour = reader.number(2, text), reader.literal(58, text), let minute = reader.number(2, text), reader.literal(58, text),
      let second = reader.number(2, text),
      (1...12).contains(month), (1...Self.lastDay(year: year, month: month)).contains(day), hour < 24, minute < 60,
      second < 61
    else { return nil }
    var fraction: Int64 = 0
    if reader.literal(46, text) {
      var scale: Int64 = 100_000
      var seen = 0
      while let digit = reader.number(1, text) {
        guard seen < 9 else { return nil }
        fraction += digit * scale
        scale /= 10
        seen += 1
      }
      guard seen > 0 else { return nil }
    }
    var offset: Int64 = 0
    if !reader.literal(90, text), !reader.literal(122, text) {
      let isBehind = reader.literal(45, text)
      guard isBehind || reader.literal(43, text), let hours = reader.number(2, text), reader.literal(58, text),
        let minutes = reader.number(2, text), hours < 24, minutes < 60
      else { return nil }
      offset = (hours * 3600 + minutes * 60) * (isBehind ? -1 : 1)
    }
    guard reader.index == text.count else { return nil }
    let seconds = Self.days(year: year, month: month, day: day) * 86_400 + hour * 3600 + minute * 60 + second - offset
    microseconds = seconds * 1_000_000 + fraction
  }

  /// Walks over the text of a time.
  private struct Reader {
    var index = 0

    /// So many decimal digits.
    mutating func number(_ digits: Int, _ text: Span<UInt8>) -> Int64? {
      guard text.count - index >= digits else { return nil }
      var value: Int64 = 0
      for place in index..<index + digits {
        guard (48...57).contains(text[place]) else { return nil }
        value = value * 10 + Int64(text[place] - 48)
      }
      index += digits
      return value
    }

    /// Whether this character is next; if so, it is passed.
    mutating func literal(_ character: UInt8, _ text: Span<UInt8>) -> Bool {
      guard index < text.count, text[index] == character else { return false }
      index += 1
      return true
    }
  }

  static func floorDivide(_ value: Int64, _ by: Int64) -> (Int64, Int64) {
    let remainder = value % by
    return remainder < 0 ? (value / by - 1, remainder + by) : (value / by, remainder)
  }

  /// Days since 1970 of a civil date in the proleptic Gregorian calendar, by counting eras of 400 years from March.
  static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
    let shifted = month <= 2 ? year - 1 : year
    let (era, yearOfEra) = floorDivide(shifted, 400)
    let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  private static func lastDay(year: Int64, month: Int64) -> Int64 {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  static func civil(fromDays days: Int64) -> (Int64, Int64, Int64) {
    let (era, dayOfEra) = floorDivide(days + 719_468, 146_097)
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
  }
}

extension Timestamp: Codable {
  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let time = Timestamp(parsing: try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "not an RFC 3339 time")
    }
    self = time
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

extension Duration {
  /// Whole microseconds, towards zero.
  package var wholeMicroseconds: Int64 {
    let (seconds, attoseconds) = components
    return seconds * 1_000_000 + attoseconds / 1_000_000_000_000
  }

  /// Milliseconds with their fraction, for reports.
  package var milliseconds: Double { Double(wholeMicroseconds) / 1000 }
}

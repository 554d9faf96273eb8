/// An amount of bytes as Kubernetes writes it: `2Gi`, `512Mi`, `1G`, `1048576`.
package struct ByteQuantity: Hashable, Sendable, CustomStringConvertible {
  package let bytes: Int64
  /// The text as it was written, so that a resource round-trips unchanged.
  package let description: String

  private static let units: [(String, Int64)] = [
    ("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30), ("Ti", 1 << 40), ("k", 1000), ("M", 1_000_000),
    ("G", 1_000_000_000), ("T", 1_000_000_000_000), ("", 1),
  ]

  /// - Throws: ``PalanaError`` with code `invalid`.
  package init(_ text: String) throws(PalanaError) {
    for (suffix, factor) in Self.units where text.hasSuffix(suffix) {
      let digits = text.dropLast(suffix.count)
      guard digits.utf8.allSatisfy({ (48...57).contains($0) }), let number = Int64(digits) else { continue }
      let (product, overflow) = number.multipliedReportingOverflow(by: factor)
      guard !overflow else { break }
      bytes = product
      description = text
      return
    }
    throw PalanaError(
      .invalid, "‘\(text.prefix(40))’ is not an amount of bytes",
      hint: "write a whole number with Ki, Mi, Gi, Ti, k, M, G or T")
  }
}

/// An amount of processor time as Kubernetes writes it: `2`, `0.5`, `500m`.
package struct CPUQuantity: Hashable, Sendable, CustomStringConvertible {
  /// Thousandths of one processor.
  package let milli: Int64
  package let description: String

  /// - Throws: ``PalanaError`` with code `invalid`.
  package init(_ text: String) throws(PalanaError) {
    let value: Int64?
    if text.utf8.first.map({ !(48...57).contains($0) }) ?? true {
      value = nil  // a sign: `-0.5` would otherwise be half a processor
    } else if text.hasSuffix("m") {
      value = Int64(text.dropLast())
    } else {
      let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
      let fraction = parts.count == 2 ? String(parts[1]) : ""
      if let whole = Int64(parts[0]), whole < 1_000_000, parts.count == 1 || (1...3).contains(fraction.count),
        fraction.utf8.allSatisfy({ (48...57).contains($0) })
      {
        let padded = fraction + String(repeating: "0", count: 3 - fraction.count)
        value = whole * 1000 + (Int64(padded) ?? 0)
      } else {
        value = nil
      }
    }
    guard let value, value > 0 else {
      throw PalanaError(
        .invalid, "‘\(text.prefix(40))’ is not an amount of processors", hint: "write for example 2, 0.5 or 500m")
    }
    milli = value
    description = text
  }
}

/// A length of time as people write it: `30s`, `10m`, `8h`, `90d`, or several of them (`1h30m`).
package struct TimeSpan: Hashable, Sendable, CustomStringConvertible {
  package let duration: Duration
  package let description: String

  /// - Throws: ``PalanaError`` with code `invalid`.
  package init(_ text: String) throws(PalanaError) {
    func fail() -> PalanaError {
      PalanaError(
        .invalid, "‘\(text.prefix(40))’ is not a length of time", hint: "write for example 30s, 10m, 8h or 90d")
    }
    var total: Int64 = 0
    var number: Int64?
    for byte in text.utf8 {
      if (48...57).contains(byte) {
        let next = (number ?? 0) * 10 + Int64(byte - 48)
        guard next < 1_000_000_000 else { throw fail() }
        number = next
        continue
      }
      guard let count = number else { throw fail() }
      switch byte {
      case UInt8(ascii: "s"): total += count
      case UInt8(ascii: "m"): total += count * 60
      case UInt8(ascii: "h"): total += count * 3600
      case UInt8(ascii: "d"): total += count * 86_400
      default: throw fail()
      }
      number = nil
      // A century is for ever; more would overflow the arithmetic of times.
      guard total <= 36_525 * 86_400 else { throw fail() }
    }
    guard !text.isEmpty, number == nil else { throw fail() }
    duration = .seconds(total)
    description = text
  }
}

extension ByteQuantity: Codable {
  /// Reads text, or a plain number of bytes as YAML writers leave it without quotes.
  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let number = try? container.decode(Int64.self) {
      try self.init(String(number))
    } else {
      try self.init(container.decode(String.self))
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

extension CPUQuantity: Codable {
  /// Reads text, or a plain number of processors as YAML writers leave it without quotes.
  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let whole = try? container.decode(Int64.self) {
      try self.init(String(whole))
    } else if let number = try? container.decode(Double.self) {
      try self.init(String(describing: number))
    } else {
      try self.init(container.decode(String.self))
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

extension TimeSpan: Codable {
  package init(from decoder: any Decoder) throws {
    try self.init(decoder.singleValueContainer().decode(String.self))
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

package import PalanaCore

/// An amount of money as people write it: `12.50`, `$0.000002`, `5`. In US dollars, exact to a billionth.
package struct DollarAmount: Hashable, Sendable, CustomStringConvertible {
  package let cost: Cost
  /// The text as it was written, so that a resource round-trips unchanged.
  package let description: String

  /// At most so many: a billion.
  private static let most: Int64 = 1_000_000_000

  /// - Parameter cost: an amount below zero is nothing.
  package init(_ cost: Cost) {
    let nanoDollars = max(0, cost.nanoDollars)
    self.cost = Cost(nanoDollars: nanoDollars)
    let digits = String(nanoDollars % 1_000_000_000)
    var fraction = String(repeating: "0", count: 9 - digits.utf8.count) + digits
    while fraction.hasSuffix("0") { fraction.removeLast() }
    description = "\(nanoDollars / 1_000_000_000)" + (fraction.isEmpty ? "" : ".\(fraction)")
  }

  /// - Throws: ``PalanaError`` with code `invalid`.
  package init(_ text: String) throws(PalanaError) {
    let parts = (text.hasPrefix("$") ? text.dropFirst() : text[...]).split(separator: ".", omittingEmptySubsequences: false)
    let fraction = parts.count == 2 ? parts[1] : "0"
    func isDigits(_ text: Substring) -> Bool { !text.isEmpty && text.utf8.allSatisfy { (48...57).contains($0) } }
    guard (1...2).contains(parts.count), isDigits(parts[0]), isDigits(fraction), fraction.utf8.count <= 9,
      let whole = Int64(parts[0]), whole <= Self.most,
      let billionths = Int64(fraction + String(repeating: "0", count: 9 - fraction.utf8.count))
    else {
      throw PalanaError(
        .invalid, "‘\(text.prefix(40))’ is not an amount of money",
        hint: "write dollars with at most nine digits after the point, for example 12.50")
    }
    cost = Cost(nanoDollars: whole * 1_000_000_000 + billionths)
    description = text
  }
}

extension DollarAmount: Codable {
  /// Reads text, or a plain number of dollars as YAML writers leave it without quotes.
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

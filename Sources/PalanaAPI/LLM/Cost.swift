/// An amount of money, in billionths of a US dollar: the price of one token is rarely a whole millionth.
package struct Cost: Codable, Hashable, Sendable, Comparable, CustomStringConvertible {
  package var nanoDollars: Int64

  package init(nanoDollars: Int64) { self.nanoDollars = nanoDollars }

  package static let zero = Cost(nanoDollars: 0)

  package static func < (left: Self, right: Self) -> Bool { left.nanoDollars < right.nanoDollars }

  /// Ends at the largest amount instead of overflowing.
  package static func + (left: Self, right: Self) -> Self {
    let (sum, overflow) = left.nanoDollars.addingReportingOverflow(right.nanoDollars)
    return Cost(nanoDollars: overflow ? .max : sum)
  }

  /// For people: `$0.001234`, six digits at least, without those after them that are zero.
  package var description: String {
    let magnitude = nanoDollars.magnitude
    var fraction = String(magnitude % 1_000_000_000)
    fraction = String(repeating: "0", count: 9 - fraction.count) + fraction
    while fraction.count > 6, fraction.hasSuffix("0") { fraction.removeLast() }
    return "\(nanoDollars < 0 ? "-" : "")$\(magnitude / 1_000_000_000).\(fraction)"
  }

  package init(from decoder: any Decoder) throws { nanoDollars = try decoder.singleValueContainer().decode(Int64.self) }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(nanoDollars)
  }
}

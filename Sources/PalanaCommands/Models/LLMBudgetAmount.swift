import PalanaAPI
import PalanaCore

/// What may be used in a window, as it stands on the command line: `5USD`, `$0.50`, `2000000tokens`, `500ktokens`, `2Mtokens`,
/// `60requests`, or several of them with commas between.
enum LLMBudgetAmount {
  /// - Parameter texts: of one window.
  /// - Returns: nil without any.
  /// - Throws: ``PalanaError`` with code `invalid`.
  static func limit(_ window: LLMWindow, _ texts: [String]) throws(PalanaError) -> LLMBudgetLimit? {
    guard !texts.isEmpty else { return nil }
    var limit = LLMBudgetLimit(window: window)
    for text in texts.flatMap({ $0.split(separator: ",", omittingEmptySubsequences: false) }) {
      if text.hasPrefix("$") || text.lowercased().hasSuffix("usd") {
        let amount = text.lowercased().hasSuffix("usd") ? text.dropLast(3) : text
        try once(limit.cost == nil, text, window)
        limit.cost = try DollarAmount(String(amount))
      } else if let number = number(text, "tokens", "token") {
        try once(limit.tokens == nil, text, window)
        limit.tokens = number
      } else if let number = number(text, "requests", "request", "calls") {
        try once(limit.requests == nil, text, window)
        limit.requests = number
      } else {
        throw PalanaError(
          .invalid, "‘\(text.prefix(40))’ is not an amount of a budget",
          hint: "for example 5USD, $0.50, 2000000tokens, 2Mtokens, 60requests"
        )
      }
    }
    return limit
  }

  private static func once(_ isFirst: Bool, _ text: Substring, _ window: LLMWindow) throws(PalanaError) {
    guard isFirst else { throw PalanaError(.invalid, "--per-\(window.rawValue) ‘\(text.prefix(40))’: given twice") }
  }

  private static func number(_ text: Substring, _ units: String...) -> Int64? {
    guard let unit = units.first(where: { text.hasSuffix($0) }) else { return nil }
    var digits = text.dropLast(unit.count)
    var factor: Int64 = 1
    if digits.hasSuffix("k") { factor = 1_000 } else if digits.hasSuffix("M") { factor = 1_000_000 }
    if factor > 1 { digits.removeLast() }
    guard !digits.isEmpty, digits.utf8.allSatisfy({ (48...57).contains($0) }), let count = Int64(digits) else { return nil }
    let (product, overflow) = count.multipliedReportingOverflow(by: factor)
    return overflow ? nil : product
  }
}

import PalanaAPI
import PalanaStore

extension LLMAmounts {
  /// Ends at the ends of the numbers instead of overflowing.
  mutating func add(_ other: LLMAmounts) {
    tokens = Self.sum(tokens, other.tokens)
    cost = cost + other.cost
    requests = Self.sum(requests, other.requests)
  }

  /// Takes back what was added before; never below nothing.
  mutating func subtract(_ other: LLMAmounts) {
    tokens = max(0, tokens - min(tokens, other.tokens))
    cost = Cost(nanoDollars: max(0, cost.nanoDollars - min(cost.nanoDollars, other.cost.nanoDollars)))
    requests = max(0, requests - min(requests, other.requests))
  }

  static func sum(_ left: Int64, _ right: Int64) -> Int64 {
    let (sum, overflow) = left.addingReportingOverflow(right)
    return overflow ? .max : sum
  }
}

/// What was used and what calls under way may still use.
struct Standing: Hashable {
  var used = LLMAmounts()
  var reserved = LLMAmounts()

  mutating func add(_ other: Standing) {
    used.add(other.used)
    reserved.add(other.reserved)
  }

  /// A call ended: what it used takes the place of what it might have used.
  mutating func settle(_ reservation: LLMAmounts, used amounts: LLMAmounts) {
    reserved.subtract(reservation)
    used.add(amounts)
  }
}

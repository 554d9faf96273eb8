import PalanaAPI

/// Bounds of what one call can say about itself, far beyond every real call: sums of many stay within what numbers hold, also in the
/// database, whatever an agent asks for or an upstream says.
enum LedgerBounds {
  private static let tokens: Int64 = 10_000_000_000
  private static let nanoDollars: Int64 = 1_000_000_000_000_000
  private static let nameBytes = 128

  static func tokens(_ count: Int64) -> Int64 { min(max(0, count), tokens) }

  static func cost(_ cost: Cost) -> Cost { Cost(nanoDollars: min(max(0, cost.nanoDollars), nanoDollars)) }

  static func usage(_ usage: TokenUsage) -> TokenUsage {
    TokenUsage(
      input: tokens(usage.input), cachedInput: tokens(usage.cachedInput), cacheWrite: tokens(usage.cacheWrite),
      output: tokens(usage.output), reasoning: tokens(usage.reasoning))
  }

  static func name(_ text: String) -> String {
    text.utf8.count <= nameBytes ? text : String(decoding: text.utf8.prefix(nameBytes), as: UTF8.self)
  }

  static func claim(_ claim: Claim) -> Claim {
    var claim = claim
    claim.model = name(claim.model)
    claim.route = name(claim.route)
    claim.investigation = claim.investigation.map(name)
    claim.input = tokens(claim.input)
    claim.output = tokens(claim.output)
    return claim
  }
}

import PalanaAPI

/// The built-in table: list prices of a few well-known models as they were known in the middle of 2025.
///
/// They are to be checked: providers change prices, and contracts differ. Only names whose price is known are here, dated snapshots
/// included; a beginning such as `gpt-5*` would give a later, dearer model the price of an older one.
enum DefaultPrices {
  /// For a million tokens in thousandths of a US dollar: input, read from the cache, written to the cache, output.
  private typealias Line = (name: String, input: Int64, cachedInput: Int64, cacheWrite: Int64, output: Int64)

  private static let table: [Line] = [
    ("gpt-4o", 2500, 1250, 2500, 10_000),
    ("gpt-4o-mini", 150, 75, 150, 600),
    ("gpt-4.1", 2000, 500, 2000, 8000),
    ("gpt-4.1-mini", 400, 100, 400, 1600),
    ("gpt-4.1-nano", 100, 25, 100, 400),
    ("gpt-5", 1250, 125, 1250, 10_000),
    ("gpt-5-mini", 250, 25, 250, 2000),
    ("gpt-5-nano", 50, 5, 50, 400),
    ("o3", 2000, 500, 2000, 8000),
    ("o4-mini", 1100, 275, 1100, 4400),
    ("text-embedding-3-small", 20, 20, 20, 0),
    ("text-embedding-3-large", 130, 130, 130, 0),
    ("claude-opus-4", 15_000, 1500, 18_750, 75_000),
    ("claude-opus-4-0", 15_000, 1500, 18_750, 75_000),
    ("claude-opus-4-1", 15_000, 1500, 18_750, 75_000),
    ("claude-sonnet-4", 3000, 300, 3750, 15_000),
    ("claude-sonnet-4-0", 3000, 300, 3750, 15_000),
    ("claude-3-7-sonnet", 3000, 300, 3750, 15_000),
    ("claude-3-5-sonnet", 3000, 300, 3750, 15_000),
    ("claude-3-5-haiku", 800, 80, 1000, 4000),
    ("gemini-2.5-pro", 1250, 310, 1250, 10_000),
    ("gemini-2.5-flash", 300, 75, 300, 2500),
  ]

  /// Each model, its dated snapshots, and its name for the newest of them.
  static let entries: [PriceList.Entry] = table.flatMap { line in
    ["", "-20*", "-latest"].map { PriceList.Entry(model: line.name + $0, rates: rates(line)) }
  }

  /// What is not known is not cheap: the dearest of the table, and no discount for a cache.
  static let fallback = rates(("", 15_000, 15_000, 18_750, 75_000))

  private static func rates(_ line: Line) -> PriceList.Rates {
    func dollars(_ thousandths: Int64) -> DollarAmount { DollarAmount(Cost(nanoDollars: thousandths * 1_000_000)) }
    return PriceList.Rates(
      input: dollars(line.input), cachedInput: dollars(line.cachedInput), cacheWrite: dollars(line.cacheWrite),
      output: dollars(line.output))
  }
}

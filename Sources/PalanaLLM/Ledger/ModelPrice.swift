package import PalanaAPI

/// What one model costs, in nano-dollars for a million tokens.
package struct ModelPrice: Hashable, Sendable {
  package var input: Int64
  package var cachedInput: Int64
  package var cacheWrite: Int64
  package var output: Int64
  /// In nano-dollars for each request.
  package var request: Int64

  init(_ rates: PriceList.Rates) {
    input = rates.input.cost.nanoDollars
    cachedInput = rates.cachedInput?.cost.nanoDollars ?? input
    cacheWrite = rates.cacheWrite?.cost.nanoDollars ?? input
    output = rates.output.cost.nanoDollars
    request = rates.request?.cost.nanoDollars ?? 0
  }

  /// What `usage` costs, rounded up to a whole nano-dollar once, at the end. Counts below zero cost nothing, and the parts of the input are
  /// never more than the whole.
  package func cost(_ usage: TokenUsage) -> Cost {
    let input = max(0, usage.input)
    let cached = min(max(0, usage.cachedInput), input)
    let written = min(max(0, usage.cacheWrite), input - cached)
    return sum([(input - cached - written, self.input), (cached, cachedInput), (written, cacheWrite), (usage.output, output)])
  }

  /// The most that so many tokens can cost, wherever the provider's cache has them.
  package func atMost(input tokens: Int64, output more: Int64) -> Cost {
    sum([(tokens, max(input, cachedInput, cacheWrite)), (more, output)])
  }

  private func sum(_ parts: InlineArray<4, (tokens: Int64, rate: Int64)>) -> Cost {
    var total: UInt128 = 0
    for index in parts.indices { total += UInt128(max(0, parts[index].tokens)) * UInt128(max(0, parts[index].rate)) }
    return finish(total)
  }

  private func sum(_ parts: InlineArray<2, (tokens: Int64, rate: Int64)>) -> Cost {
    var total: UInt128 = 0
    for index in parts.indices { total += UInt128(max(0, parts[index].tokens)) * UInt128(max(0, parts[index].rate)) }
    return finish(total)
  }

  /// Four products of two positive `Int64` and one more number fit into 128 bits.
  private func finish(_ total: UInt128) -> Cost {
    let nanoDollars = (total + 999_999) / 1_000_000 + UInt128(max(0, request))
    return Cost(nanoDollars: Int64(exactly: nanoDollars) ?? .max)
  }
}

package import PalanaAPI
package import PalanaCore

/// What models cost, as people write it:
///
/// ```yaml
/// prices:
///   - {model: gpt-4.1, input: 2, cachedInput: 0.5, output: 8}
///   - {model: "local-*", input: 0, output: 0}
/// fallback: {input: 15, output: 75}
/// defaults: true
/// ```
package struct PriceList: Codable, Hashable, Sendable {
  /// In US dollars for a million tokens.
  package struct Rates: Codable, Hashable, Sendable {
    package var input: DollarAmount
    /// Of input that the provider read from its cache; absent: as ``input``.
    package var cachedInput: DollarAmount?
    /// Of input that the provider wrote to its cache; absent: as ``input``.
    package var cacheWrite: DollarAmount?
    /// Of output, reasoning included.
    package var output: DollarAmount
    /// For each request, besides its tokens; absent: nothing.
    package var request: DollarAmount?

    package init(
      input: DollarAmount, cachedInput: DollarAmount? = nil, cacheWrite: DollarAmount? = nil, output: DollarAmount,
      request: DollarAmount? = nil
    ) {
      self.input = input
      self.cachedInput = cachedInput
      self.cacheWrite = cacheWrite
      self.output = output
      self.request = request
    }
  }

  /// The rates of one model, or of those whose names begin alike.
  package struct Entry: Codable, Hashable, Sendable {
    /// A name, or a beginning of one with `*` at its end.
    package var model: String
    // The members of ``Rates``, beside the name.
    private var input: DollarAmount
    private var cachedInput: DollarAmount?
    private var cacheWrite: DollarAmount?
    private var output: DollarAmount
    private var request: DollarAmount?

    package init(model: String, rates: Rates) {
      self.model = model
      input = rates.input
      cachedInput = rates.cachedInput
      cacheWrite = rates.cacheWrite
      output = rates.output
      request = rates.request
    }

    package var rates: Rates {
      Rates(input: input, cachedInput: cachedInput, cacheWrite: cacheWrite, output: output, request: request)
    }
  }

  package var prices: [Entry]?
  /// For models of which nothing is known; absent: that of the built-in table, which is its dearest.
  package var fallback: Rates?
  /// Whether the built-in table counts for what ``prices`` does not name; absent: yes.
  package var defaults: Bool?

  package init(prices: [Entry]? = nil, fallback: Rates? = nil, defaults: Bool? = nil) {
    self.prices = prices
    self.fallback = fallback
    self.defaults = defaults
  }

  /// Every problem; empty when it is sound.
  package func problems() -> [FieldError] {
    var problems: [FieldError] = []
    var seen: Set<String> = []
    for (index, entry) in (prices ?? []).enumerated() {
      if LLMModelPattern(entry.model) == nil {
        problems.append(
          FieldError(
            "prices[\(index)].model",
            "the name of a model of at most 128 bytes without white space, or a beginning of one with ‘*’ at its end"))
      }
      if !seen.insert(entry.model).inserted { problems.append(FieldError("prices[\(index)].model", "the model stands twice")) }
    }
    return problems
  }
}

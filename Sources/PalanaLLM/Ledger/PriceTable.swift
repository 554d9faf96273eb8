package import PalanaAPI
package import PalanaCore

/// What models cost. What people wrote comes before the built-in table, a whole name before a beginning, a longer beginning before a shorter
/// one. A name of the form `PROVIDER/MODEL` that is not found counts as `MODEL`.
package struct PriceTable: Sendable {
  private struct Layer: Sendable {
    var exact: [String: ModelPrice] = [:]
    /// Longest first.
    var prefixes: [(pattern: LLMModelPattern, price: ModelPrice)] = []

    init(_ entries: [PriceList.Entry]) {
      for entry in entries {
        guard let pattern = LLMModelPattern(entry.model) else { continue }
        if pattern.isPrefix {
          prefixes.append((pattern, ModelPrice(entry.rates)))
        } else {
          exact[pattern.text] = ModelPrice(entry.rates)
        }
      }
      prefixes.sort { $0.pattern.text.utf8.count > $1.pattern.text.utf8.count }
    }

    func price(of model: String) -> ModelPrice? {
      exact[model] ?? prefixes.first { $0.pattern.matches(model) }?.price
    }
  }

  private let layers: [Layer]
  private let fallback: ModelPrice

  /// - Throws: ``PalanaError`` with code `invalid` that lists every problem.
  package init(_ list: PriceList = PriceList()) throws(PalanaError) {
    if let error = PalanaError(list.problems()) { throw error }
    self.init(checked: list)
  }

  /// The built-in table alone.
  package static let builtIn = PriceTable(checked: PriceList())

  private init(checked list: PriceList) {
    layers = [Layer(list.prices ?? [])] + (list.defaults ?? true ? [Layer(DefaultPrices.entries)] : [])
    fallback = ModelPrice(list.fallback ?? DefaultPrices.fallback)
  }

  /// The price of a model.
  /// - Returns: with `isKnown` false the one for models of which nothing is known.
  package func price(of model: String) -> (price: ModelPrice, isKnown: Bool) {
    for layer in layers {
      if let price = layer.price(of: model) { return (price, true) }
    }
    if let slash = model.utf8.lastIndex(of: UInt8(ascii: "/")) {
      let name = String(model[model.index(after: slash)...])
      for layer in layers {
        if let price = layer.price(of: name) { return (price, true) }
      }
    }
    return (fallback, false)
  }

  /// What a call costs.
  package func cost(model: String, usage: TokenUsage) -> (cost: Cost, isKnown: Bool) {
    let (price, isKnown) = price(of: model)
    return (price.cost(usage), isKnown)
  }
}

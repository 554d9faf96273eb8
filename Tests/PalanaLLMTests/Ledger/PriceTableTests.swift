import PalanaAPI
import PalanaCore
import PalanaLLM
import Testing

@Suite struct PriceTableTests {
  private func rates(_ input: String, _ output: String, request: String? = nil) throws -> PriceList.Rates {
    PriceList.Rates(
      input: try DollarAmount(input), output: try DollarAmount(output), request: try request.map { try DollarAmount($0) })
  }

  @Test(
    arguments: [
      (TokenUsage(), 0), (TokenUsage(input: 1), 2000), (TokenUsage(input: 1_000_000), 2_000_000_000),
      (TokenUsage(input: 1000, cachedInput: 400, output: 10), 1_480_000), (TokenUsage(output: 3, reasoning: 3), 24_000),
      // More is read from the cache than was sent: at most all of it was.
      (TokenUsage(input: 10, cachedInput: 100), 5000), (TokenUsage(input: -5, output: -5), 0),
    ] as [(TokenUsage, Int64)])
  func costs(_ usage: TokenUsage, _ nanoDollars: Int64) {
    let (cost, isKnown) = PriceTable.builtIn.cost(model: "gpt-4.1", usage: usage)
    #expect(isKnown)
    #expect(cost.nanoDollars == nanoDollars)
  }

  @Test func aPartOfANanoDollarIsAWholeOne() throws {
    let table = try PriceTable(PriceList(prices: [.init(model: "m", rates: try rates("0.000000001", "0.0004", request: "0.01"))]))
    #expect(table.cost(model: "m", usage: TokenUsage(input: 1)).cost.nanoDollars == 10_000_001)
    #expect(table.cost(model: "m", usage: TokenUsage(output: 3)).cost.nanoDollars == 10_000_002)
    #expect(table.cost(model: "m", usage: TokenUsage()).cost.nanoDollars == 10_000_000)
  }

  @Test func writingToTheCacheHasItsPrice() {
    let usage = TokenUsage(input: 1_000_000, cachedInput: 300_000, cacheWrite: 200_000)
    // 500,000 at 3, 300,000 at 0.30, 200,000 at 3.75 dollars for a million.
    #expect(PriceTable.builtIn.cost(model: "claude-sonnet-4-20250514", usage: usage).cost.nanoDollars == 2_340_000_000)
  }

  @Test func amountsWithoutAnEndAreTheLargest() {
    let cost = PriceTable.builtIn.cost(model: "o3", usage: TokenUsage(input: .max, output: .max)).cost
    #expect(cost.nanoDollars == .max)
  }

  @Test(arguments: [
    ("gpt-4.1", true), ("gpt-4.1-2025-04-14", true), ("gpt-4.1-mini", true), ("gpt-4.1-new", false), ("gpt-5.5", false),
    ("openai/gpt-4.1", true), ("anthropic/claude-3-5-haiku-latest", true), ("a/b", false), ("", false), ("/", false),
  ])
  func knowsWhatItKnows(_ model: String, _ isKnown: Bool) {
    let (price, known) = PriceTable.builtIn.price(of: model)
    #expect(known == isKnown)
    if !isKnown { #expect(price.output == 75_000_000_000) }
  }

  @Test func whatPeopleWroteComesFirst() throws {
    let list = PriceList(
      prices: [
        .init(model: "gpt-*", rates: try rates("7", "7")), .init(model: "gpt-4.1-*", rates: try rates("8", "8")),
        .init(model: "gpt-4.1-mini", rates: try rates("9", "9")),
      ], fallback: try rates("1", "1"))
    let table = try PriceTable(list)
    for (model, dollars) in [
      ("gpt-4.1", 7), ("gpt-4.1-nano", 8), ("gpt-4.1-mini", 9), ("x/gpt-4.1-mini", 9), ("o3", 2), ("unknown", 1),
    ] as [(String, Int64)] {
      #expect(table.price(of: model).price.input == dollars * 1_000_000_000, "\(model)")
    }
    let alone = try PriceTable(PriceList(prices: list.prices, fallback: list.fallback, defaults: false))
    #expect(!alone.price(of: "o3").isKnown)
  }

  @Test func isReadStrictly() throws {
    func list(_ json: String) throws -> PriceList {
      try StrictDecoder.decode(PriceList.self, from: JSONValue(parsing: Array(json.utf8)[...]))
    }
    let written = try list(
      #"{"prices":[{"model":"m*","input":1.5,"cachedInput":"0.1","output":2,"request":0.001}],"fallback":{"input":1,"output":2},"defaults":false}"#
    )
    #expect(written.prices?.first?.rates.input.cost.nanoDollars == 1_500_000_000)
    #expect(try StrictDecoder.decode(PriceList.self, from: JSONValue(encoding: written)) == written)
    for (json, path) in [
      (#"{"prices":[{"model":"m","input":1,"output":1,"inputs":3}]}"#, "prices[0].inputs"), (#"{"price":[]}"#, "price"),
      (#"{"prices":[{"model":"m","input":1}]}"#, "prices[0].output"),
      (#"{"prices":[{"model":"m","input":-1,"output":1}]}"#, "prices[0].input"),
    ] {
      let error = try #require(throws: PalanaError.self) { try list(json) }
      #expect(error.message.hasPrefix(path), "\(error.message)")
    }
    let twice = PriceList(prices: [.init(model: "m", rates: try rates("1", "1")), .init(model: "m", rates: try rates("1", "1"))])
    #expect(twice.problems().map(\.path) == ["prices[1].model"])
    #expect(PriceList(prices: [.init(model: "a*b", rates: try rates("1", "1"))]).problems().map(\.path) == ["prices[0].model"])
    #expect(throws: PalanaError.self) { try PriceTable(twice) }
  }
}

import PalanaAPI
import PalanaCore
import Testing

@Suite struct LLMBudgetTests {
  private func budget(_ spec: String) throws -> LLMBudget {
    let manifest = "apiVersion: palana.dev/v1alpha1\nkind: LLMBudget\nmetadata: {name: demo}\nspec: \(spec)\n"
    return try ManifestDecoder.decode(try yaml(manifest), as: LLMBudget.self)
  }

  @Test(arguments: [
    ("{concurrency: 1}", []),
    ("{limits: [{window: day, cost: 5}]}", []),
    ("{limits: [{window: day, tokens: 0}]}", []),
    ("{scope: {owner: a, agent: b}, models: [\"*\", gpt-4.1, \"claude-*\"], concurrency: 3, warnAt: 100}", []),
    ("{scope: {owner: a, template: t, each: agent}, limits: [{window: minute, requests: 1}, {window: hour, requests: 2}]}", []),
    ("{}", ["spec"]),
    ("{limits: []}", ["spec"]),
    ("{limits: [{window: day}]}", ["spec.limits[0]"]),
    ("{limits: [{window: day, tokens: -1, requests: -1}]}", ["spec.limits[0].tokens", "spec.limits[0].requests"]),
    ("{limits: [{window: day, tokens: 1}, {window: day, cost: 1}]}", ["spec.limits[1]"]),
    ("{concurrency: 0}", ["spec.concurrency"]),
    ("{concurrency: 1, warnAt: 0}", ["spec.warnAt"]),
    ("{concurrency: 1, warnAt: 101}", ["spec.warnAt"]),
    ("{concurrency: 1, models: [\"a*b\", \"\", \"a b\"]}", ["spec.models[0]", "spec.models[1]", "spec.models[2]"]),
    ("{concurrency: 1, models: [a, a]}", ["spec.models[1]"]),
    ("{concurrency: 1, scope: {agent: a}}", ["spec.scope.agent"]),
    ("{concurrency: 1, scope: {owner: o, agent: A, template: B}}", ["spec.scope.agent", "spec.scope.template"]),
    ("{concurrency: 1, scope: {owner: o, each: owner}}", ["spec.scope.each"]),
    ("{concurrency: 1, scope: {owner: o, agent: a, each: agent}}", ["spec.scope.each"]),
    ("{concurrency: 1, scope: {template: t, each: template}}", ["spec.scope.each"]),
  ])
  func problems(_ spec: String, _ expected: [String]) throws {
    #expect(try budget(spec).validate().map(\.path) == expected)
  }

  @Test(arguments: [
    ("{window: week, tokens: 1}", "spec.limits[0].window: ‘week’ is not one of minute, hour, day, month"),
    ("{window: day, cost: lots}", "spec.limits[0].cost: ‘lots’ is not an amount of money"),
    ("{window: day, token: 1}", "spec.limits[0].token: unknown field, did you mean tokens?"),
  ])
  func aMistakeIsNamed(_ limit: String, _ message: String) throws {
    let error = try #require(throws: PalanaError.self) { try budget("{limits: [\(limit)]}") }
    #expect(error.message.hasPrefix(message), "\(error.message)")
  }

  @Test func theWarningDefaults() throws {
    #expect(try budget("{concurrency: 1}").spec.warnsAt == 80)
    #expect(try budget("{concurrency: 1, warnAt: 50}").spec.warnsAt == 50)
  }

  @Test(arguments: [
    ("gpt-4.1", "gpt-4.1", true), ("gpt-4.1", "gpt-4.1-mini", false), ("gpt-4.1*", "gpt-4.1-mini", true), ("gpt-4.1*", "gpt-4.1", true),
    ("gpt-4.1*", "gpt-4", false), ("*", "anything", true), ("e\u{301}*", "\u{e9}tude", false),
  ])
  func patterns(_ pattern: String, _ model: String, _ matches: Bool) throws {
    #expect(try #require(LLMModelPattern(pattern)).matches(model) == matches)
  }
}

@Suite struct DollarAmountTests {
  @Test(
    arguments: [
      ("0", 0), ("5", 5_000_000_000), ("$5", 5_000_000_000), ("12.50", 12_500_000_000), ("0.000000001", 1), ("$0.5", 500_000_000),
      ("1000000000", 1_000_000_000_000_000_000),
    ] as [(String, Int64)])
  func amounts(_ text: String, _ nanoDollars: Int64) throws {
    let amount = try DollarAmount(text)
    #expect(amount.cost.nanoDollars == nanoDollars)
    #expect(amount.description == text)
    #expect(try DollarAmount(DollarAmount(amount.cost).description).cost == amount.cost)
  }

  @Test(arguments: ["", "$", "-1", "1.", ".5", "1.0000000001", "1e3", "1_000", "1,50", "€5", "1000000001", "99999999999999999999", "١"])
  func whatIsNone(_ text: String) {
    #expect(throws: PalanaError.self) { try DollarAmount(text) }
  }

  @Test(arguments: [(0, "0"), (1, "0.000000001"), (12_500_000_000, "12.5"), (-3, "0")] as [(Int64, String)])
  func written(_ nanoDollars: Int64, _ text: String) {
    #expect(DollarAmount(Cost(nanoDollars: nanoDollars)).description == text)
  }
}

@Suite struct LLMWindowTests {
  @Test(arguments: [
    (LLMWindow.minute, "2026-11-27T17:59:59.999999Z", "2026-11-27T17:59:00Z", "2026-11-27T18:00:00Z"),
    (.minute, "2026-11-27T18:00:00Z", "2026-11-27T18:00:00Z", "2026-11-27T18:01:00Z"),
    (.hour, "2026-12-31T23:59:59.999999Z", "2026-12-31T23:00:00Z", "2027-01-01T00:00:00Z"),
    (.day, "2026-11-27T00:00:00Z", "2026-11-27T00:00:00Z", "2026-11-28T00:00:00Z"),
    (.day, "2026-11-27T23:30:00-02:00", "2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z"),
    (.day, "2028-02-28T23:59:59Z", "2028-02-28T00:00:00Z", "2028-02-29T00:00:00Z"),
    (.month, "2026-11-30T23:59:59.999999Z", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
    (.month, "2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
    (.month, "2028-02-29T12:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
    (.month, "2027-02-28T23:59:59Z", "2027-02-01T00:00:00Z", "2027-03-01T00:00:00Z"),
    (.month, "2100-02-28T23:59:59Z", "2100-02-01T00:00:00Z", "2100-03-01T00:00:00Z"),
    (.month, "1969-12-31T23:59:59Z", "1969-12-01T00:00:00Z", "1970-01-01T00:00:00Z"),
    (.minute, "1969-12-31T23:59:59.5Z", "1969-12-31T23:59:00Z", "1970-01-01T00:00:00Z"),
  ])
  func beginsAndEnds(_ window: LLMWindow, _ time: String, _ start: String, _ end: String) throws {
    let time = try #require(Timestamp(parsing: time))
    #expect(window.start(of: time) == Timestamp(parsing: start))
    #expect(window.end(of: time) == Timestamp(parsing: end))
    #expect(window.start(of: window.end(of: time)) == window.end(of: time))
  }
}

@Suite struct LLMLatencyTests {
  @Test func percentilesStayWithinTheBuckets() {
    var times = LLMLatency()
    #expect(times.percentileMs(0.5) == nil)
    #expect(times.meanMs == nil)
    for _ in 0..<90 { times.add(microseconds: 80_000) }
    for _ in 0..<10 { times.add(microseconds: 700_000) }
    #expect(times.count == 100)
    #expect(times.meanMs == 142)
    #expect(times.maxMicroseconds == 700_000)
    #expect((50...100).contains(times.percentileMs(0.9) ?? 0))
    #expect((500...700).contains(times.percentileMs(0.95) ?? 0))
    #expect(times.percentileMs(1) == 700)
  }

  @Test func theLastBucketHasNoEnd() {
    var times = LLMLatency()
    times.add(microseconds: 100_000_000)
    times.add(microseconds: -5)
    #expect(times.counts.first == 1)
    #expect(times.counts.last == 1)
    #expect(times.percentileMs(1) == 100_000)
    #expect(times.sumMicroseconds == 100_000_000)
  }
}

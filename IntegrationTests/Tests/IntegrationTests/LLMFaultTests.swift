import Foundation
import Testing

/// Providers that break, stall, lie and are not there; agents that are slow. Whatever happens, the agent learns of it and nothing stays
/// reserved.
@Suite struct LLMFaultTests {
  /// An agent whose budget is one call at once: a place that is not given back would stop it.
  private func agent(_ name: String) async throws -> Models {
    let models = try await Models.shared.get()
    try await models.start(name)
    try await models.apply(
      """
      apiVersion: palana.dev/v1alpha1
      kind: LLMBudget
      metadata: {name: \(name)}
      spec: {scope: {owner: \(try await models.owner), agent: \(name)}, limits: [{window: day, tokens: 1000000000}], concurrency: 1}
      """)
    return models
  }

  private func stillAnswers(_ models: Models, _ agent: String, after what: String) async throws {
    // The place of a call that the agent left is free as soon as the gateway has seen that.
    try await waitUntil("\(agent) is answered after \(what)") { try await models.ask(agent, .chat("unified", "words")).status == 200 }
  }

  @Test func aStreamThatBreaksIsToldSo() async throws {
    let models = try await agent("breaking")
    let answer = try await models.ask("breaking", .chat("unified", "reset", stream: true))
    #expect(answer.status == 200 && answer.words == ["Hello", " from"] && answer.lastError == "upstream_unreachable")
    // It was sent once only: nobody knows what it cost.
    #expect(try models.server.received("reset").filter { $0["faults"].array.isEmpty }.count >= 1)
    try await stillAnswers(models, "breaking", after: "a reset")
    let early = try await models.ask("breaking", .chat("unified", "early-reset"))
    #expect(early.status == 502 && early.reason == "upstream_unreachable")
    #expect(try models.server.received("early-reset").count == 1)
    try await stillAnswers(models, "breaking", after: "an early reset")
    try await waitUntil("what was charged is written down") {
      try await models.events("breaking").contains {
        $0["reason"].string == "upstream_unreachable" && $0["details"]["estimated"].string == "true"
      }
    }
  }

  @Test func aProviderThatStallsIsGivenUp() async throws {
    let models = try await agent("waiting")
    let answer = try await models.ask("waiting", .chat("short", "stall", stream: true))
    #expect(answer.status == 200 && answer.words == ["Hello", " from"] && answer.lastError == "upstream_timeout")
    let silent = try await models.ask("waiting", .chat("short", "silent"))
    #expect(silent.status == 504 && silent.reason == "upstream_timeout")
    for model in ["stall", "silent"] {
      try await waitUntil("the provider is told of \(model)") { try models.server.ends(model).contains("left") }
    }
    try await stillAnswers(models, "waiting", after: "silence")
  }

  @Test func whatIsNoEventPassesAndIsNotUnderstood() async throws {
    let models = try await agent("reading")
    let answer = try await models.ask("reading", .chat("unified", "malformed", stream: true))
    #expect(answer.status == 200 && answer.how == "whole")
    #expect(answer.words.joined() == "Hello from the strict model")
    #expect(answer.body.contains("[nonsense") && answer.body.contains(": a comment") && answer.body.hasSuffix("data: [DONE]\n\n"))
    try await stillAnswers(models, "reading", after: "nonsense")
  }

  @Test(arguments: [true, false]) func usageThatCannotBeIsNotBelieved(_ stream: Bool) async throws {
    let name = "lying-\(stream)"
    let models = try await agent(name)
    let answer = try await models.ask(name, .chat("unified", "wrong-usage", stream: stream))
    #expect(answer.status == 200 && answer.how == "whole")
    try await waitUntil("the call is written down") { try await !models.events(name).isEmpty }
    let details = try #require(try await models.events(name).first)["details"]
    let (input, output) = (Int(details["inputTokens"].string ?? ""), Int(details["outputTokens"].string ?? ""))
    #expect(input.map { (1...100).contains($0) } ?? false, "\(details)")
    #expect(output.map { (1...100_000).contains($0) } ?? false, "\(details)")
    try await stillAnswers(models, name, after: "lies")
  }

  @Test func aProviderThatIsBusyIsAskedAgain() async throws {
    let models = try await agent("insisting")
    let answers = try await models.ask(
      "insisting", [.chat("unified", "busy-429-2-raw"), .chat("unified", "busy-503-9-raw"), .chat("once", "busy-429-9-raw")])
    #expect(answers.map(\.status) == [200, 503, 429])
    // Its own words, and not whose account it is.
    #expect(answers[2].body.contains("come again") && answers[2].fields["retry-after"].string == "0")
    #expect(answers.allSatisfy { $0.fields["openai-organization"].isNull })
    #expect(try models.server.received("busy-503-9-raw").count == 3)
    #expect(try models.server.received("busy-429-9-raw").count == 1)
    try await stillAnswers(models, "insisting", after: "refusals")
  }

  @Test func anotherProviderStandsInForADeadOne() async throws {
    let models = try await agent("lucky")
    for _ in 0..<3 {
      let answer = try await models.ask("lucky", .chat("backup", "words"))
      #expect(answer.status == 200)
    }
    let none = try await models.ask("lucky", .chat("dead", "words"))
    #expect(none.status == 502 && none.reason == "upstream_unreachable")
    try await stillAnswers(models, "lucky", after: "a dead provider")
  }

  /// What a slow agent does not read is not stored for it.
  @Test func aSlowAgentSlowsTheProvider() async throws {
    let models = try await agent("slow")
    var ask = ModelAsk.chat("unified", "flood", stream: true, limit: 4_000_000)
    ask.slow = 2_048
    let answer = try await models.ask("slow", ask)
    #expect(answer.how == "left")
    // Buffers of four sockets, of which each may hold some megabytes; the rest stayed with the provider.
    #expect((4_000_000..<40_000_000).contains(models.server.flooded()))
    try await waitUntil("the provider sees that the client left") { try models.server.ends("flood").contains("left") }
    try await stillAnswers(models, "slow", after: "a flood")
  }
}

extension Models {
  /// Who the agents of these tests belong to.
  var owner: String {
    get async throws { try #require(try await platform.pcli("whoami", "-o", "json").json()["user"].string) }
  }
}

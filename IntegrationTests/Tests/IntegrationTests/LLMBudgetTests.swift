import Foundation
import Testing

/// Budgets and the kill switch, as an agent meets them.
@Suite struct LLMBudgetTests {
  @Test func overBudgetTheSDKIsToldAndStops() async throws {
    let models = try await Models.shared.get()
    try await models.start("thrifty", withSDKs: true)
    try await models.apply(
      """
      apiVersion: palana.dev/v1alpha1
      kind: LLMBudget
      metadata: {name: thrifty}
      spec: {scope: {owner: \(try await models.owner), agent: thrifty}, limits: [{window: day, requests: 3}]}
      """)
    let outcomes = try await models.outcomes("thrifty", "until_refused", "10")
    #expect(outcomes["calls"] == #"[3, "budget_exceeded", "resets", "at once"]"#)
    try await waitUntil("every call is written down") { try await models.events("thrifty").count >= 4 }
    let events = try await models.events("thrifty")
    #expect(events.filter { $0["decision"].string == "allow" }.count == 3)
    // It is not asked without end: the SDK learns that there is no point.
    #expect(events.filter { $0["reason"].string == "budget_exceeded" }.count == 1)
    let refused = try await models.ask("thrifty", .chat("unified", "words"))
    #expect(refused.status == 429 && refused.reason == "budget_exceeded")
    #expect(Int(refused.fields["retry-after"].string ?? "").map { (1...86_400).contains($0) } ?? false)
    // More budget, and it goes on.
    try await models.platform.pcli("delete", "llmbudget/thrifty")
    try await waitUntil("it is answered again") { try await models.ask("thrifty", .chat("unified", "words")).status == 200 }
  }

  /// A hundred calls at once cannot use together what one of them could not.
  @Test func manyAtOnceDoNotOverspend() async throws {
    let models = try await Models.shared.get()
    try await models.start("crowd")
    // Each may use 16 + some tokens of input and 1,000 of output: four fit, five do not.
    try await models.apply(
      """
      apiVersion: palana.dev/v1alpha1
      kind: LLMBudget
      metadata: {name: crowd}
      spec: {scope: {owner: \(try await models.owner), agent: crowd}, limits: [{window: day, tokens: 4900}]}
      """)
    async let answers = models.ask(
      "crowd", Array(repeating: .chat("unified", "gate-crowd", maxTokens: 1_000), count: 100), together: true)
    try await waitUntil("the others are refused") {
      try await models.events("crowd").filter { $0["reason"].string == "budget_exceeded" }.count == 96
    }
    #expect(try models.server.received("gate-crowd").count == 4)
    models.server.open("gate-crowd")
    #expect(try await answers.map(\.status).sorted() == Array(repeating: 200, count: 4) + Array(repeating: 429, count: 96))
    // What was reserved and not used is there again.
    let again = try await models.ask("crowd", .chat("unified", "words", maxTokens: 1_000))
    #expect(again.status == 200)
  }

  @Test func aKillEndsAStreamInTheMiddle() async throws {
    let models = try await Models()
    do {
      try await models.start("victim")
      try await models.start("bystander")
      async let stream = models.platform.pcli(
        "exec", "victim", "--", "curl", "-sSN", "-X", "POST", "-H", "content-type: application/json", "-d",
        #"{"model": "endless", "stream": true, "messages": [{"role": "user", "content": "hello"}]}"#,
        "--noproxy", "*", "-o", "/dev/null", try await models.url("victim", "unified/v1/chat/completions"), expect: nil)
      async let other = models.ask("bystander", .chat("unified", "gate-other", stream: true))
      try await waitUntil("both are at the provider") {
        try !models.server.received("endless").isEmpty && !models.server.received("gate-other").isEmpty
      }
      let report = try await models.platform.pcli("kill", "victim", "--reason", "a test", "-o", "json").json()
      #expect(Set(report["planes"].array.compactMap { $0["name"].string }) == ["gateway", "network", "secrets", "compute", "llm"])
      #expect(try await stream.code != 0)
      try await waitUntil("the provider sees that the client left") { try models.server.ends("endless") == ["left"] }
      try await waitUntil("the call is written down") {
        // By the gateway's own plane, or because another plane ended the program before.
        try await models.events("victim").contains {
          $0["details"]["model"].string == "endless" && ["agent_killed", "agent_left"].contains($0["reason"].string)
        }
      }
      models.server.open("gate-other")
      let untouched = try await other
      #expect(untouched.status == 200 && untouched.how == "whole")

      try await models.platform.pcli("exec", "victim", "--", "true", expect: 5)
      try await models.platform.pcli("unkill", "victim", "--reason", "it was a test")
      try await models.platform.pcli("run", "victim")
      #expect(try await models.ask("victim", .chat("unified", "words")).status == 200)
      try await models.platform.pcli("audit", "verify")
    } catch {
      await models.tearDown()
      throw error
    }
    await models.tearDown()
  }

  /// The daemon dies between what it reserved and what was used. What was under way is charged, once, and no place stays taken.
  @Test func aDeathBetweenReservationAndSettlementLeaksNothing() async throws {
    let models = try await Models()
    do {
      let platform = models.platform
      try await models.start("steady")
      try await models.apply(
        """
        apiVersion: palana.dev/v1alpha1
        kind: LLMBudget
        metadata: {name: steady}
        spec: {scope: {owner: \(try await models.owner), agent: steady}, limits: [{window: day, tokens: 3500}], concurrency: 2}
        """)
      #expect(try await models.ask("steady", .chat("unified", "words", maxTokens: 1_000)).status == 200)
      async let cut: Void = models.sendInVain(
        "steady", [.chat("unified", "gate-never", maxTokens: 1_000), .chat("unified", "gate-never", stream: true, maxTokens: 1_000)])
      try await waitUntil("both are at the provider") { try models.server.received("gate-never").count == 2 }
      let daemon = try platform.daemon()
      #expect(kill(daemon, SIGKILL) == 0)
      try await waitUntil("the daemon is gone") { !isAlive(daemon) }
      try await cut
      try await waitUntil("the provider sees that the client left") { try models.server.ends("gate-never") == ["left", "left"] }

      try await platform.up()
      // 7 of the first, and twice some 1,020 that nobody knows the use of: a third of them fits, a fourth does not.
      let first = try await models.ask("steady", .chat("unified", "words", maxTokens: 1_000))
      #expect(first.status == 200, "\(first.body)")
      let large = try await models.ask("steady", .chat("unified", "words", maxTokens: 1_500))
      #expect(large.status == 429 && large.reason == "budget_exceeded", "\(large.body)")
      // A second death changes nothing: what was interrupted is charged once.
      let second = try platform.daemon()
      #expect(kill(second, SIGKILL) == 0)
      try await waitUntil("the daemon is gone") { !isAlive(second) }
      try await platform.up()
      let fits = try await models.ask(
        "steady", Array(repeating: .chat("unified", "words", maxTokens: 400), count: 2), together: true)
      #expect(fits.map(\.status) == [200, 200], "\(fits.map(\.body))")
    } catch {
      await models.tearDown()
      throw error
    }
    await models.tearDown()
  }
}

extension Models {
  /// An address at the gateway, as this agent sees it.
  func url(_ agent: String, _ path: String) async throws -> String {
    let base = try await platform.pcli("exec", agent, "--", "printenv", "PALANA_LLM_BASE_URL").output
    let parts = base.trimmingCharacters(in: .whitespacesAndNewlines).components(separatedBy: "/").prefix(3)
    return parts.joined(separator: "/") + "/" + path
  }
}

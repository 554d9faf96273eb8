import NIOHTTP1
import PalanaAPI
import PalanaAudit
import PalanaControlAPI
import PalanaCore
import PalanaStore
import Synchronization
import Testing

@testable import PalanaControl

@Suite struct LLMTests {
  // MARK: Usage and calls

  @Test func aPersonSeesTheirOwnAndOperatorsEverything() async throws {
    try await ControlWorld.run { world in
      let alice = try UserIdentity("alice")
      let own = try await world.call(.llmUsage, as: .alice, query: [("by", "model"), ("from", "2026-11-20T00:00:00Z"), ("limit", "7")])
      let report = try own.decoded(LLMUsageReport.self)
      #expect(report.by == .model && report.items.first?.owner == "alice")
      #expect(report.items.first?.cost.description == "0.00125")
      #expect(report.items.first?.latencyMs?.max == 3_000)
      #expect(report.items.first?.timeToFirstTokenMs == nil)
      try await world.call(.llmUsage, as: .alice, query: [("owner", "alice"), ("agent", "demo"), ("model", "m"), ("route", "r")])
      try await world.call(.llmUsage)
      try await world.call(.llmUsage, query: [("owner", "bob")])
      #expect(try await world.call(.llmUsage, as: .alice, query: [("owner", "bob")]).code == "denied")
      let asked = world.models.state.withLock { $0.usage }
      #expect(
        asked == [
          LLMUsageQuery(by: .model, from: Timestamp(parsing: "2026-11-20T00:00:00Z"), owner: alice, limit: 7),
          LLMUsageQuery(by: .agent, owner: alice, agent: "demo", model: "m", route: "r"), LLMUsageQuery(by: .agent),
          LLMUsageQuery(by: .agent, owner: try UserIdentity("bob")),
        ])
      // An operator who acts for somebody sees what that person sees.
      let acting = try await world.call(.llmUsage, headers: [("palana-user", "alice")])
      #expect(try acting.decoded(LLMUsageReport.self).items.first?.owner == "alice")

      let calls = try await world.call(.llmCalls, as: .bob, query: [("agent", "demo"), ("limit", "5")]).decoded(LLMCallList.self)
      #expect(calls.items.map(\.time) == [Timestamp(seconds: 1), Timestamp(seconds: 2)])
      #expect(try await world.call(.llmCalls, as: .alice, query: [("owner", "bob")]).code == "denied")
      let last = world.models.state.withLock { $0.calls }
      #expect(last.count == 1 && last.first?.owner?.raw == "bob" && last.first?.agent == "demo" && last.first?.limit == 5)
    }
  }

  @Test(arguments: [
    [("by", "nothing")], [("limit", "0")], [("limit", "1001")], [("from", "yesterday")], [("nonsense", "1")],
    [("from", "2026-11-20T00:00:00Z"), ("to", "2026-11-20T00:00:00Z")],
  ])
  func whatMakesNoSenseIsRefused(_ query: [(name: String, value: String)]) async throws {
    try await ControlWorld.run { world in
      let answer = try await world.call(.llmUsage, query: query)
      #expect(answer.code == "invalid")
    }
  }

  @Test func withoutRoutesItIsSaid() async throws {
    var settings = ControlWorld.Settings()
    settings.hasModels = false
    try await ControlWorld.run(settings) { world in
      for operation in [PalanaControlAPI.Operation.llmUsage, .llmBudgets, .llmCalls, .listLLMContent, .listLLMCredentials] {
        let answer = try await world.call(operation)
        #expect(answer.status == 404)
        #expect(answer.text.contains("no routes to language models") && answer.text.contains("llm.routes"), "\(answer.text)")
      }
      let metrics = try await world.call(.metrics)
      #expect(
        metrics.text
          == "# HELP palana_build_info The version of the daemon.\n# TYPE palana_build_info gauge\npalana_build_info{version=\"0.1.0\"} 1\n"
      )
    }
  }

  @Test func metricsAreForOperators() async throws {
    try await ControlWorld.run { world in
      #expect(try await world.call(.metrics, as: .alice).status == 403)
      #expect(try await world.send("GET", world.tcpBase, "/metrics").status == 401)
      let answer = try await world.send("GET", world.tcpBase, "/metrics", headers: [("authorization", "Bearer \(ControlWorld.token)")])
      #expect(answer.status == 200)
      #expect(answer.headers.first(name: "content-type") == "text/plain; version=0.0.4; charset=utf-8")
      #expect(answer.text.hasSuffix("palana_llm_calls_in_flight 3\n"))
    }
  }

  // MARK: Budgets

  private static func budget(_ name: String, _ spec: String) -> String {
    #"{"apiVersion":"palana.dev/v1alpha1","kind":"LLMBudget","metadata":{"name":"\#(name)"},"spec":\#(spec)}"#
  }

  private static func figures(_ budget: String, _ group: String, used: Int64) -> LLMProbe.Figures {
    LLMProbe.Figures(
      budget: budget, group: group, measure: .cost, window: .day, limit: 5_000_000_000, used: used, reserved: 1_000_000,
      resetsAt: Timestamp(seconds: 86_400))
  }

  @Test func aPersonSeesTheBudgetsThatCountTheirAgents() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      try await world.makeAgent("demo", of: .bob)
      let day = #""limits":[{"window":"day","cost":"5"}]"#
      let budgets = [
        ("each-agent", #"{"scope":{"each":"agent"},\#(day)}"#), ("each-owner", #"{"scope":{"each":"owner"},\#(day)}"#),
        ("fleet", #"{\#(day),"concurrency":4,"warnAt":50}"#), ("of-bob", #"{"scope":{"owner":"bob"},\#(day)}"#),
        ("of-template", #"{"scope":{"template":"python"},\#(day)}"#),
      ]
      for (name, spec) in budgets { #expect(try await world.call(.createBudget, body: Self.budget(name, spec)).status == 201) }
      let ids = (try world.id("demo", of: .alice).text, try world.id("demo", of: .bob).text)
      world.models.state.withLock {
        $0.figures = [
          Self.figures("each-agent", ids.0, used: 4_500_000_000), Self.figures("each-agent", ids.1, used: 1),
          Self.figures("each-agent", "gone-0000000000", used: 2), Self.figures("each-owner", "bob", used: 3),
          Self.figures("fleet", "", used: 6_000_000_000),
        ]
      }
      let alice = try await world.call(.llmBudgets, as: .alice).decoded(LLMBudgetReport.self).items
      #expect(alice.map(\.budget) == ["each-agent", "each-owner", "fleet", "fleet"])
      #expect(alice[0].agent == "demo" && alice[0].owner == "alice" && alice[0].group == ids.0)
      #expect(alice[0].used == "4.5" && alice[0].limit == "5" && alice[0].usedPercent == 90 && alice[0].isAtWarning)
      // Nobody has counted for her, and what others used is not hers to know.
      #expect(alice[1].group == nil && alice[1].used == "0" && alice[1].resetsAt != nil)
      #expect(alice[2].usedPercent == 120 && alice[2].group == nil && alice[2].warnAt == 50)
      #expect(alice[3].measure == .concurrency && alice[3].limit == "4" && alice[3].window == nil)

      let all = try await world.call(.llmBudgets).decoded(LLMBudgetReport.self).items
      #expect(all.map(\.budget) == ["each-agent", "each-agent", "each-agent", "each-owner", "fleet", "fleet", "of-bob", "of-template"])
      #expect(all.prefix(3).map(\.used) == ["4.5", "0.000000002", "0.000000001"])
      #expect(all[1].agent == nil && all[1].group == "gone-0000000000")
      let one = try await world.call(.llmBudgets, as: .bob, query: [("budget", "of-bob")]).decoded(LLMBudgetReport.self).items
      #expect(one.map(\.budget) == ["of-bob"])
      #expect(try await world.call(.llmBudgets, query: [("budget", "none")]).code == "not_found")
    }
  }

  // MARK: Credentials

  private static let openAI = ["route": "unified", "secret": "OPENAI"]

  @Test func aCredentialIsStoredReplacedListedAndRemoved() async throws {
    try await ControlWorld.run { world in
      let empty = try await world.call(.listLLMCredentials).decoded(LLMCredentialList.self).items
      #expect(
        empty.map { "\($0.route)/\($0.secret) \($0.state.rawValue)" } == [
          "aws/AWS per-agent", "unified/OPENAI missing", "unified/BOTH missing",
        ])
      let stored = try await world.call(.setLLMCredential, Self.openAI, body: #"{"value":"canary-1"}"#)
      #expect(stored.status == 200, "\(stored.text)")
      #expect(try stored.decoded(LLMCredentialItem.self).state == .stored)
      let place = "palana:llm/unified/OPENAI"
      #expect(world.secrets.values.withLock { $0[place]?["value"]?.reveal() } == "canary-1")
      try await world.call(.setLLMCredential, Self.openAI, body: #"{"value":"canary-2"}"#)
      #expect(world.secrets.values.withLock { $0[place]?["value"]?.reveal() } == "canary-2")
      // The gateway drops what it has after each change, when the store has the new value.
      let id = AgentID(owner: try UserIdentity("palana:llm"), name: try ResourceName("unified"))
      #expect(world.gateway.calls.withLock { $0.count } == 2)
      #expect(world.gateway.calls.withLock { $0.last.map { if case .forget(id, _) = $0 { true } else { false } } } == true)

      // A secret with several keys: which one has to be said.
      let both = ["route": "unified", "secret": "BOTH"]
      #expect(try await world.call(.setLLMCredential, both, body: #"{"value":"x"}"#).text.contains("--key"))
      #expect(try await world.call(.setLLMCredential, both, body: #"{"value":"x","key":"third"}"#).code == "invalid")
      #expect(try await world.call(.setLLMCredential, both, body: #"{"value":"x","key":"second"}"#).status == 200)

      world.secrets.values.withLock { $0["palana:llm/aws/OLD"] = ["value": Redacted("y")] }
      let listed = try await world.call(.listLLMCredentials).decoded(LLMCredentialList.self).items
      #expect(
        listed.map { "\($0.route)/\($0.secret) \($0.keys.joined(separator: ",")) \($0.state.rawValue)" } == [
          "aws/AWS value per-agent", "aws/OLD  unused", "unified/OPENAI value stored", "unified/BOTH first,second stored",
        ])
      #expect(try await world.call(.deleteLLMCredential, ["route": "aws", "secret": "OLD"]).status == 200)
      #expect(try await world.call(.deleteLLMCredential, Self.openAI).status == 200)
      #expect(try await world.call(.deleteLLMCredential, Self.openAI).code == "not_found")
      let audited = world.events.filter { $0.action.hasPrefix("llm-credential") }
      #expect(
        audited.map(\.action) == [
          "llm-credential-set", "llm-credential-set", "llm-credential-set", "llm-credential-delete", "llm-credential-delete",
        ])
      #expect(audited.allSatisfy { $0.component == .secrets && $0.decision == .allow })
      #expect(audited.first?.secrets == ["OPENAI"] && audited.first?.details["route"] == "unified")
    }
  }

  struct Bad: Sendable, CustomTestStringConvertible {
    var route = "unified"
    var secret = "OPENAI"
    var body = #"{"value":"canary"}"#
    var code: String
    var says: String
    var testDescription: String { "\(route)/\(secret) \(body)" }
  }

  @Test(arguments: [
    Bad(route: "unifed", code: "not_found", says: "aws, unified"), Bad(secret: "OPENIA", code: "not_found", says: "BOTH, OPENAI"),
    Bad(route: "aws", secret: "AWS", code: "invalid", says: "pcli secrets add AGENT AWS value=- --no-host"),
    Bad(route: "aws", secret: "NONE", code: "not_found", says: "scope: route"), Bad(body: #"{"value":""}"#, code: "invalid", says: "empty"),
    Bad(body: #"{"value":"canary\nx: y"}"#, code: "invalid", says: "line break"),
    Bad(body: #"{"value":"canary","more":1}"#, code: "invalid", says: "known fields"),
    Bad(body: "canary", code: "invalid", says: "known fields"),
    Bad(body: #"{"value":{"a":"canary"}}"#, code: "invalid", says: "known fields"),
  ])
  func whatIsNoCredentialIsRefusedAndNotRepeated(_ bad: Bad) async throws {
    try await ControlWorld.run { world in
      let answer = try await world.call(.setLLMCredential, ["route": bad.route, "secret": bad.secret], body: bad.body)
      #expect(answer.code == bad.code && answer.text.contains(bad.says), "\(answer.text)")
      #expect(!answer.text.contains("canary"))
      #expect(world.secrets.values.withLock { $0.isEmpty })
      #expect(world.events.contains { $0.component == .secrets && $0.decision != .allow })
      #expect(!world.events.contains { "\($0)".contains("canary") })
    }
  }

  @Test func onlyOperatorsHandleCredentials() async throws {
    try await ControlWorld.run { world in
      let listed = try await world.call(.listLLMCredentials, as: .alice)
      #expect(listed.code == "denied")
      #expect(try await world.call(.setLLMCredential, as: .alice, Self.openAI, body: #"{"value":"x"}"#).code == "denied")
      #expect(try await world.call(.deleteLLMCredential, as: .alice, Self.openAI).code == "denied")
      world.sink.isDown.withLock { $0 = true }
      #expect(try await world.call(.setLLMCredential, Self.openAI, body: #"{"value":"x"}"#).status == 503)
      #expect(world.secrets.values.withLock { $0.isEmpty })
    }
  }

  // MARK: What was said

  @Test func whatWasSaidIsForOperatorsAndEachReadingIsWrittenDown() async throws {
    try await ControlWorld.run { world in
      let query: [(name: String, value: String)] = [
        ("agent", "demo"), ("model", "gpt-4.1"), ("since", "2026-11-20T00:00:00Z"), ("limit", "9"),
      ]
      let list = try await world.call(.listLLMContent, query: query).decoded(LLMContentList.self)
      #expect(list.items.map(\.id) == ["a1b2-7"] && list.damaged.count == 1)
      let since = Timestamp(parsing: "2026-11-20T00:00:00Z")
      #expect(world.models.state.withLock { $0.content } == [LLMContentQuery(agent: "demo", model: "gpt-4.1", since: since, limit: 9)])
      func readings() -> [AuditEvent] { world.events.filter { $0.action == "content-read" && $0.decision == .allow } }
      // A list says nothing of what was said.
      #expect(readings().isEmpty)
      let one = try await world.call(.getLLMContent, ["id": "a1b2-7"]).decoded(LLMContent.self)
      #expect(one.request.text == "what was asked" && one.answer.text == nil && one.answer.base64 == "/wA=")
      let event = try #require(readings().first)
      #expect(event.component == .llm && event.actor?.raw == "root" && event.agent?.name == "demo" && event.agent?.owner.raw == "alice")
      #expect(event.details == ["call": "a1b2-7", "route": "unified", "model": "gpt-4.1"])
      #expect(try await world.call(.getLLMContent, ["id": "gone-1"]).code == "not_found")
      // Not even of one's own agents: what an agent read may be secret to its owner.
      for caller in [ControlWorld.Person.alice, .bob] {
        #expect(try await world.call(.listLLMContent, as: caller).code == "denied")
        #expect(try await world.call(.getLLMContent, as: caller, ["id": "a1b2-7"]).code == "denied")
      }
      #expect(readings().count == 1)
      // Nobody reads what cannot be written down.
      world.sink.isDown.withLock { $0 = true }
      let unread = try await world.call(.getLLMContent, ["id": "a1b2-7"])
      #expect(unread.status == 503 && !unread.text.contains("what was asked"))
    }
  }

  // MARK: Credentials of agents

  /// A key for the gateway of language models alone, whatever it is called.
  @Test func aSecretWithoutHostsIsInRequestsToNone() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      let add = { (name: String, more: String) async throws -> SecretSummary in
        try await world.call(.addSecret, as: .alice, ["name": "demo"], body: #"{"name":"\#(name)","values":{"value":"x"}\#(more)}"#)
          .decoded(SecretSummary.self)
      }
      let usual = try await add("OPENAI_API_KEY", "")
      #expect(usual.hosts == ["api.openai.com"] && usual.places == ["header:authorization"])
      let inert = try await add("OPENAI_MODELS", #","hosts":[]"#)
      #expect(inert.hosts.isEmpty && inert.places.isEmpty && inert.keys.first?.placeholder == "TOKEN_OPENAI_MODELS")
      #expect(world.secrets.values.withLock { $0["alice/demo/OPENAI_MODELS"]?["value"]?.reveal() } == "x")
    }
  }
}

/// What was said, as it is given out.
@Suite struct LLMContentBodyTests {
  @Test(
    arguments: [
      (Array("grüß".utf8), false, "grüß"), (Array("grüß".utf8), true, "grüß"), (Array("grü".utf8.dropLast()), true, "gr"),
      (Array("a😀".utf8.dropLast()), true, "a"), (Array("a😀".utf8.dropLast(3)), true, "a"), (Array("😀".utf8.dropLast(2)), true, ""),
      ([], false, ""), ([], true, ""), (Array("grü".utf8.dropLast()), false, nil), ([0x61, 0x80], true, nil), ([0xff], true, nil),
      ([0xff, 0x61], true, nil),
    ] as [([UInt8], Bool, String?)])
  func isTextWhereItIsText(_ bytes: [UInt8], _ isTruncated: Bool, _ text: String?) {
    let body = LLMContentBody(bytes, isTruncated: isTruncated)
    #expect(body.text == text && (body.base64 == nil) == (text != nil))
  }
}

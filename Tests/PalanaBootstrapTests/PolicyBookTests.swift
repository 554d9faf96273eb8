import Logging
import PalanaAPI
import PalanaBootstrap
import PalanaCore
import PalanaPolicy
import Testing

@Suite struct PolicyBookTests {
  private func agent(
    _ name: String = "demo", owner: String = "alice@example.com", template: String? = "python",
    labels: [String: String]? = nil, rules: [EgressRule]? = nil
  ) throws -> Agent {
    Agent(
      metadata: ObjectMeta(name: try ResourceName(name), uid: "u", labels: labels),
      spec: AgentSpec(owner: try UserIdentity(owner), template: template, egress: AgentEgress(rules: rules)))
  }

  private func selector(
    agents: [String]? = nil, owners: [String]? = nil, templates: [String]? = nil, labels: [String: String]? = nil
  ) throws -> AgentSelector {
    AgentSelector(
      agents: agents, owners: try owners?.map { try UserIdentity($0) }, templates: templates, matchLabels: labels)
  }

  @Test func selectorsNeedEveryCondition() throws {
    let alice = try agent(labels: ["team": "red"])
    #expect(try selector().selects(alice))
    #expect(try selector(agents: []).selects(alice), "an empty list is no condition")
    #expect(try selector(agents: ["demo", "other"]).selects(alice))
    #expect(try !selector(agents: ["other"]).selects(alice))
    #expect(try selector(owners: ["alice@example.com"], templates: ["python"], labels: ["team": "red"]).selects(alice))
    #expect(try !selector(owners: ["alice@example.com"], templates: ["shell"]).selects(alice))
    #expect(try !selector(owners: ["alice-example-com"]).selects(alice), "a sanitized identity is nobody")
    #expect(try !selector(labels: ["team": "blue"]).selects(alice))
    #expect(try !selector(labels: ["missing": ""]).selects(alice))
  }

  private func request(_ agent: Agent, host: String) throws -> EgressRequest {
    EgressRequest(
      subject: try #require(PolicySubject(agent)), stage: .request, scheme: .https,
      authority: try Authority.parse(connectTarget: "\(host):443"), method: "GET", path: "/")
  }

  @Test func rulesComeFromAgentTemplateAndPolicies() throws {
    let book = PolicyBook(guardrails: [], logger: Logger(label: "test"))
    let one = try agent(rules: [EgressRule(id: "own", host: "own.example.com")])
    let template = AgentTemplate(
      metadata: ObjectMeta(name: try ResourceName("python")),
      spec: AgentTemplateSpec(egress: AgentEgress(rules: [EgressRule(id: "t", host: "template.example.com")])))
    let everyone = EgressPolicy(
      metadata: ObjectMeta(name: try ResourceName("everyone")),
      spec: EgressPolicySpec(rules: [
        EgressRule(id: "all", host: "all.example.com"), EgressRule(id: "no", action: .deny, host: "own.example.com"),
      ]))
    let others = EgressPolicy(
      metadata: ObjectMeta(name: try ResourceName("others")),
      spec: EgressPolicySpec(
        selector: try selector(agents: ["other"]), rules: [EgressRule(id: "x", host: "others.example.com")]))
    let core = book.core(for: one, template: template, policies: [everyone, others])
    func decide(_ host: String) throws -> EgressDecision? { core.decideImmediately(try request(one, host: host)) }
    #expect(try decide("template.example.com")?.rule == "template/python/t")
    #expect(try decide("all.example.com")?.rule == "policy/everyone/all")
    #expect(try decide("others.example.com")?.denial == .hostNotAllowed)
    #expect(try decide("own.example.com")?.denial == .policyDenied, "deny wins, wherever it is written")
    let alone = book.core(for: one, template: nil, policies: [])
    #expect(try alone.decideImmediately(request(one, host: "own.example.com"))?.rule == "agent/own")
  }

  /// The same version in a file may be another state; in the store it is not.
  @Test func whatStandsInAVersionIsReadAgainUnlessItIsTheStores() throws {
    func policy(_ host: String, version: String) throws -> EgressPolicy {
      EgressPolicy(
        metadata: ObjectMeta(name: try ResourceName("p"), uid: "u", resourceVersion: version),
        spec: EgressPolicySpec(rules: [EgressRule(id: "r", host: host)]))
    }
    let demo = try agent()
    for trusts in [false, true] {
      let book = PolicyBook(guardrails: [], trustsVersions: trusts, logger: Logger(label: "test"))
      func allows(_ host: String, _ policy: EgressPolicy) throws -> Bool {
        try book.core(for: demo, template: nil, policies: [policy]).decideImmediately(request(demo, host: host))?.isAllowed == true
      }
      #expect(try allows("a.example.com", policy("a.example.com", version: "1")))
      #expect(try allows("b.example.com", policy("b.example.com", version: "2")))
      #expect(try !allows("a.example.com", policy("b.example.com", version: "2")))
      #expect(try allows("b.example.com", policy("b.example.com", version: "1")) == !trusts)
    }
  }

  @Test func brokenRulesLetNothingPass() throws {
    let book = PolicyBook(guardrails: [], logger: Logger(label: "test"))
    let broken = try agent(rules: [EgressRule(id: "a", host: "a.example.com"), EgressRule(id: "b", host: "*")])
    let core = book.core(for: broken, template: nil, policies: [])
    #expect(try core.decideImmediately(request(broken, host: "a.example.com"))?.isAllowed == false)
  }

  @Test func tokensDifferByAgentAndKey() throws {
    let tokens = ProxyTokens(key: Redacted(Array("key".utf8)))
    let again = ProxyTokens(key: Redacted(Array("key".utf8)))
    let other = ProxyTokens(key: Redacted(Array("other".utf8)))
    #expect(tokens.token(uid: "a").matches(again.token(uid: "a")))
    #expect(!tokens.token(uid: "a").matches(tokens.token(uid: "b")))
    #expect(!tokens.token(uid: "a").matches(other.token(uid: "a")))
    #expect(tokens.token(uid: "a").reveal().utf8.count == 64)
  }
}

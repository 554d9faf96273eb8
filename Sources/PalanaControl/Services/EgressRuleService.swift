package import PalanaAPI
package import PalanaControlAPI
package import PalanaCore
package import PalanaPolicy
package import PalanaStore

/// Answers what the gateway would decide, by asking the same decision core.
package typealias EgressTester =
  @Sendable (Agent, EgressRequest) async throws(PalanaError) -> DecisionExplanation

/// The egress rules of single agents, and what they lead to.
package struct EgressRuleService: Sendable {
  let store: any ResourceStore
  let resources: ResourceService
  let tester: EgressTester

  package init(store: any ResourceStore, resources: ResourceService, tester: @escaping EgressTester) {
    self.store = store
    self.resources = resources
    self.tester = tester
  }

  /// Every rule that applies to the agent: its own, its template's, those of the policies that select it.
  package func list(
    of name: String, owner: UserIdentity?, by caller: Caller
  ) async throws(PalanaError) -> EgressRuleList {
    let agent = try await resources.access.find(AgentSpec.self, named: name, owner: owner, by: caller)
    var items = (agent.spec.egress?.rules ?? []).map { EgressRuleEntry(source: "agent", rule: $0) }
    if let template = agent.spec.effectiveTemplateName,
      let found = try await resources.access.all(AgentTemplateSpec.self, owner: nil).first(where: {
        $0.metadata.name.text == template
      })
    {
      items += (found.spec.egress?.rules ?? []).map { EgressRuleEntry(source: "template/\(template)", rule: $0) }
    }
    for policy in try await store.list(EgressPolicySpec.self, owner: nil) where selects(policy.spec.selector, agent) {
      items += policy.spec.rules.map { EgressRuleEntry(source: "policy/\(policy.metadata.name)", rule: $0) }
    }
    return EgressRuleList(items: items)
  }

  /// Adds a rule to the agent's own.
  ///
  /// - Throws: ``PalanaError``: `invalid`, `conflict` when its identifier is taken.
  package func add(
    _ rule: EgressRule, to name: String, owner: UserIdentity?, by caller: Caller
  ) async throws(PalanaError) -> EgressRuleEntry {
    try CompiledRules.validate(rule, place: "rule")
    let before = try await ids(name, owner, caller)
    if let id = rule.id, before.contains(id) {
      throw PalanaError(.conflict, "the agent ‘\(name)’ has a rule ‘\(id)’ already")
    }
    let named = rule.id == nil ? EgressRuleForm.fresh(rule, taken: before) : rule
    _ = try await resources.modify(
      AgentSpec.self, named: name, owner: owner, by: caller, action: "egress-add",
      details: ["rule": named.id ?? "", "verdict": (named.action ?? .allow).rawValue, "host": named.host]
    ) { agent in
      agent.spec.egress = AgentEgress(rules: (agent.spec.egress?.rules ?? []) + [named])
      return true
    }
    return EgressRuleEntry(source: "agent", rule: named)
  }

  /// Removes one of the agent's own rules.
  package func remove(
    _ id: String, of name: String, owner: UserIdentity?, by caller: Caller
  ) async throws(PalanaError) -> DeleteResult {
    _ = try await resources.modify(
      AgentSpec.self, named: name, owner: owner, by: caller, action: "egress-remove", details: ["rule": id]
    ) { (agent) throws(PalanaError) in
      let rules = agent.spec.egress?.rules ?? []
      guard rules.contains(where: { $0.id == id }) else {
        throw PalanaError(
          .notFound, "the agent ‘\(name)’ has no rule ‘\(id.prefix(64))’ of its own",
          hint: "rules of policies and templates are changed there")
      }
      agent.spec.egress = AgentEgress(rules: rules.filter { $0.id != id })
      return true
    }
    return DeleteResult(kind: "EgressRule", name: id, done: true)
  }

  /// What the gateway would decide; nothing is sent.
  package func test(
    _ request: EgressTestRequest, of name: String, owner: UserIdentity?, by caller: Caller
  ) async throws(PalanaError) -> EgressTestResult {
    let agent = try await resources.access.find(AgentSpec.self, named: name, owner: owner, by: caller)
    guard let question = try EgressQuestion(request, from: agent) else { return EgressQuestion.malformed(request) }
    let orders = try await store.list(KillOrderSpec.self, owner: nil)
    if let order = orders.first(where: { $0.spec.target.covers(agent) }) {
      return question.killed(by: order)
    }
    // A tunnel is decided on before anything in it is: what does not get past that is not asked about further.
    if let authority = question.authorityRequest {
      let explanation = try await tester(agent, authority)
      guard explanation.allowed else { return question.result(explanation) }
    }
    return question.result(try await tester(agent, question.request))
  }

  private func ids(_ name: String, _ owner: UserIdentity?, _ caller: Caller) async throws(PalanaError) -> Set<String> {
    let target = try resources.access.owner(owner, by: caller)
    let agent = try await resources.access.find(AgentSpec.self, named: name, owner: target, by: caller)
    return Set((agent.spec.egress?.rules ?? []).compactMap(\.id))
  }

  private func selects(_ selector: AgentSelector?, _ agent: Agent) -> Bool {
    guard let selector else { return true }
    func among<Value: Equatable>(_ list: [Value]?, _ value: Value?) -> Bool {
      guard let list, !list.isEmpty else { return true }
      return value.map(list.contains) ?? false
    }
    return among(selector.agents, agent.metadata.name.text) && among(selector.owners, agent.spec.owner)
      && among(selector.templates, agent.spec.effectiveTemplateName)
      && (selector.matchLabels ?? [:]).allSatisfy { agent.metadata.labels?[$0.key] == $0.value }
  }
}

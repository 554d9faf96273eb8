package import PalanaAPI
package import PalanaCore
package import PalanaPolicy
package import PalanaStore

/// Answers `pcli egress test` with the same decision core and the same address policy as the gateway. Sends nothing, not even a question to DNS.
package struct EgressTesting: Sendable {
  private let store: any ResourceStore
  private let book: PolicyBook
  private let addresses: AddressPolicy
  private let staticHosts: [CanonicalHost: IPAddress]

  package init(
    store: any ResourceStore, book: PolicyBook, addresses: AddressPolicy, staticHosts: [CanonicalHost: IPAddress]
  ) {
    self.store = store
    self.book = book
    self.addresses = addresses
    self.staticHosts = staticHosts
  }

  /// What would be decided, step by step.
  package func explain(_ agent: Agent, _ request: EgressRequest) async throws(PalanaError) -> DecisionExplanation {
    var template: AgentTemplate?
    if let name = agent.spec.effectiveTemplateName {
      template =
        try await store.list(AgentTemplateSpec.self, owner: nil).first { $0.metadata.name.text == name }
        ?? BuiltinTemplates.named(name)
    }
    let policies = try await store.list(EgressPolicySpec.self, owner: nil)
    let core = book.core(for: agent, template: template, policies: policies)
    if let refusal = Preflight.refusal(method: request.method, authority: request.authority, addresses: addresses) {
      return DecisionExplanation(
        stage: request.stage.rawValue, allowed: false, reason: refusal.reason, rule: nil, policyVersion: core.policyVersion,
        explanation: refusal.explanation,
        steps: [.init(layer: "preflight", verdict: "deny", rule: nil, text: refusal.explanation)])
    }
    var explanation = await core.explain(request)
    guard explanation.allowed else { return explanation }
    explanation.steps.append(address(of: request.authority, &explanation))
    return explanation
  }

  /// The last step: is the address one that may be dialled? A name that only DNS knows is said to be checked later.
  private func address(of authority: Authority, _ explanation: inout DecisionExplanation) -> DecisionExplanation.Step {
    let known: IPAddress?
    if case .address(let literal) = authority.host.form {
      known = literal
    } else {
      known = staticHosts[authority.host]
    }
    guard let known else {
      return .init(
        layer: "address", verdict: "abstain", rule: nil, text: "the address is checked when \(authority.host) is resolved and dialled")
    }
    switch addresses.permit(known, port: authority.port) {
    case .success:
      return .init(layer: "address", verdict: "allow", rule: nil, text: "\(known) may be dialled")
    case .failure(let refusal):
      explanation.allowed = false
      explanation.reason = refusal.reason
      explanation.rule = nil
      explanation.explanation = refusal.explanation
      return .init(layer: "address", verdict: "deny", rule: nil, text: refusal.explanation)
    }
  }
}

package import PalanaCore

/// A resource of one of the kinds that people may apply. `SecretBinding` and `KillOrder` are written by the platform only.
package enum AnyResource: Hashable, Sendable {
  case agent(Agent)
  case agentTemplate(AgentTemplate)
  case egressPolicy(EgressPolicy)
  case peeringRule(PeeringRule)
  case llmBudget(LLMBudget)

  /// The kinds in the order in which a set of manifests is applied: what others refer to comes first.
  package static var kinds: [String] {
    [AgentTemplateSpec.kind, EgressPolicySpec.kind, LLMBudgetSpec.kind, AgentSpec.kind, PeeringRuleSpec.kind]
  }

  package var kind: String {
    switch self {
    case .agent: AgentSpec.kind
    case .agentTemplate: AgentTemplateSpec.kind
    case .egressPolicy: EgressPolicySpec.kind
    case .peeringRule: PeeringRuleSpec.kind
    case .llmBudget: LLMBudgetSpec.kind
    }
  }

  package var metadata: ObjectMeta {
    switch self {
    case .agent(let resource): resource.metadata
    case .agentTemplate(let resource): resource.metadata
    case .egressPolicy(let resource): resource.metadata
    case .peeringRule(let resource): resource.metadata
    case .llmBudget(let resource): resource.metadata
    }
  }

  /// The owner in the spec; nil when it is absent or the kind has none.
  package var owner: UserIdentity? {
    switch self {
    case .agent(let resource): resource.spec.owner
    case .peeringRule(let resource): resource.spec.owner
    case .agentTemplate, .egressPolicy, .llmBudget: nil
    }
  }

  /// Every problem of the resource; empty when it is sound.
  package func validate() -> [FieldError] {
    switch self {
    case .agent(let resource): resource.validate()
    case .agentTemplate(let resource): resource.validate()
    case .egressPolicy(let resource): resource.validate()
    case .peeringRule(let resource): resource.validate()
    case .llmBudget(let resource): resource.validate()
    }
  }
}

extension AnyResource: Encodable {
  package func encode(to encoder: any Encoder) throws {
    switch self {
    case .agent(let resource): try resource.encode(to: encoder)
    case .agentTemplate(let resource): try resource.encode(to: encoder)
    case .egressPolicy(let resource): try resource.encode(to: encoder)
    case .peeringRule(let resource): try resource.encode(to: encoder)
    case .llmBudget(let resource): try resource.encode(to: encoder)
    }
  }
}

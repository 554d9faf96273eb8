package import PalanaAPI
package import PalanaCore
package import PalanaSecrets

/// One agent as the LLM gateway knows it. A new state of the agent is a new value.
package struct LLMAgent: Hashable, Sendable {
  package var id: AgentID
  package var name: ResourceName
  package var owner: UserIdentity
  /// Of which template it is made; nil: of none.
  package var template: String?
  /// Which of its lives this is, where an address moves on, such as the uid of a pod: what another one opened is closed.
  package var instance: String
  /// Whether the kill switch holds it: nothing of it passes.
  package var isKilled: Bool
  /// What bounds each of its runs; nil: nothing.
  package var reasoning: AgentReasoning?

  package init(
    id: AgentID, name: ResourceName, owner: UserIdentity, template: String? = nil, instance: String = "", isKilled: Bool = false,
    reasoning: AgentReasoning? = nil
  ) {
    self.id = id
    self.name = name
    self.owner = owner
    self.template = template
    self.instance = instance
    self.isKilled = isKilled
    self.reasoning = reasoning
  }

  /// Whether what `other` opened may go on as this one's.
  func continues(_ other: LLMAgent) -> Bool { id == other.id && instance == other.instance && !isKilled }
}

/// Every agent that the gateway serves, at one moment. Each event loop holds its own reference.
package final class LLMSnapshot: Sendable {
  /// By source address; one address belongs to one agent.
  let agents: [IPAddress: LLMAgent]
  /// Every secret whose value must not go to a model.
  let secrets: [PlaceholderBinding]

  package init(_ agents: [IPAddress: LLMAgent], secrets: [PlaceholderBinding] = []) {
    self.agents = agents
    self.secrets = secrets
  }

  /// Without agents everything is refused.
  package static let empty = LLMSnapshot([:])
}

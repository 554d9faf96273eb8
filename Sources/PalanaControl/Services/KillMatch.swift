import PalanaAPI
import PalanaCore

/// Which agents an order speaks of. Pure.
enum KillMatch {
  /// Whether `target` covers the agent. An agent that cannot be named is covered by everything: containment fails
  /// closed.
  static func covers(_ target: KillOrderSpec.Target, _ agent: Agent) -> Bool {
    guard let owner = agent.spec.owner else { return true }
    switch target {
    case .agent(let id): return id == AgentID(owner: owner, name: agent.metadata.name)
    case .owner(let raw): return raw == owner
    case .template(let name): return agent.spec.effectiveTemplateName == name
    case .all: return true
    }
  }

  /// Text for the audit trail and for people.
  static func text(_ target: KillOrderSpec.Target) -> String {
    switch target {
    case .agent(let id): "agent \(id)"
    case .owner(let owner): "owner \(owner)"
    case .template(let name): "template \(name)"
    case .all: "all"
    }
  }
}

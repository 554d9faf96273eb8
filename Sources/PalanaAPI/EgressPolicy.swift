package import PalanaCore

/// Rules for the outside reach of many agents at once.
package typealias EgressPolicy = Resource<EgressPolicySpec>

package struct EgressPolicySpec: ResourceSpec {
  package typealias Status = NoStatus
  package static var kind: String { "EgressPolicy" }
  package static var plural: String { "egresspolicies" }
  package static var isOwned: Bool { false }

  /// Which agents it speaks of; absent or empty: every agent.
  package var selector: AgentSelector?
  package var rules: [EgressRule]

  package init(selector: AgentSelector? = nil, rules: [EgressRule]) {
    self.selector = selector
    self.rules = rules
  }
}

/// Chooses agents. All given conditions must hold; a list matches if any entry does.
package struct AgentSelector: Codable, Hashable, Sendable {
  package var agents: [String]?
  /// Raw identities.
  package var owners: [UserIdentity]?
  package var templates: [String]?
  package var matchLabels: [String: String]?

  package init(
    agents: [String]? = nil, owners: [UserIdentity]? = nil, templates: [String]? = nil,
    matchLabels: [String: String]? = nil
  ) {
    self.agents = agents
    self.owners = owners
    self.templates = templates
    self.matchLabels = matchLabels
  }
}

/// One written rule. Within all rules that apply to an agent, a matching `deny` wins over every `allow`.
package struct EgressRule: Codable, Hashable, Sendable {
  package enum Action: String, Codable, Sendable, CaseIterable { case allow, deny }

  /// Given by the server when absent; unique within its list. It stands in audit events as the rule.
  package var id: String?
  /// Absent: allow.
  package var action: Action?
  /// An exact name or address, `*.example.com` (exactly one label) or `**.example.com` (one or more).
  package var host: String
  /// Absent: 443 and 80.
  package var ports: [Int]?
  /// Absent or empty: every method.
  package var methods: [String]?
  /// Globs over the path: `*` within a segment, `**` across segments. Absent or empty: every path.
  package var paths: [String]?
  /// `https`, `http`; absent: both.
  package var schemes: [String]?
  /// Only Git over smart HTTP, with these repositories and operations; excludes methods and paths. Absent: every request.
  package var git: GitRule?

  package init(
    id: String? = nil, action: Action? = nil, host: String, ports: [Int]? = nil, methods: [String]? = nil,
    paths: [String]? = nil, schemes: [String]? = nil, git: GitRule? = nil
  ) {
    self.id = id
    self.action = action
    self.host = host
    self.ports = ports
    self.methods = methods
    self.paths = paths
    self.schemes = schemes
    self.git = git
  }
}

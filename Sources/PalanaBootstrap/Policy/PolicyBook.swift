package import Logging
package import PalanaAPI
import PalanaCore
package import PalanaPolicy
import Synchronization

/// Which rules apply to an agent, compiled once for each distinct set of them.
///
/// The gateway's snapshot and `pcli egress test` both get their decision core here, so that they agree.
package final class PolicyBook: Sendable {
  private let guardrails: [any Guardrail]
  private let cache = GuardrailCache()
  private let compiled = Mutex<[[ListKey]: CompiledRules]>([:])
  private let trustsVersions: Bool
  private let logger: Logger

  /// - Parameter trustsVersions: whether objects come from the store, which gives each state of one a version of its own. What stands in
  ///   a file says anything.
  package init(guardrails: [any Guardrail], trustsVersions: Bool = false, logger: Logger) {
    self.guardrails = guardrails
    self.trustsVersions = trustsVersions
    self.logger = logger
  }

  /// One list of rules. An object of the store is known by its version; reading thousands of rules for each of thousands of agents, only
  /// to find that they are the same, would take longer than anything else.
  private struct ListKey: Hashable {
    var place: String
    var version: String?
    /// Where there is no version.
    var rules: [EgressRule]?

    init(_ source: RuleSource, _ object: ObjectMeta?) {
      place = source.name
      if let uid = object?.uid, let version = object?.resourceVersion {
        self.version = uid + "/" + version
      } else {
        rules = source.rules
      }
    }
  }

  /// What decides for `agent`. Rules that cannot be compiled (they were checked when they were written, so the database was edited)
  /// let nothing pass, and that is logged.
  package func core(for agent: Agent, template: AgentTemplate?, policies: [EgressPolicy]) -> DecisionCore {
    do {
      let rules = try compile(agent, template, policies)
      return DecisionCore(rules: rules, guardrails: guardrails, cache: cache)
    } catch {
      logger.error(
        "egress rules are broken, nothing passes",
        metadata: ["agent.name": "\(agent.metadata.name)", "error": "\(error)"])
      return DecisionCore(rules: .none, guardrails: guardrails, cache: cache)
    }
  }

  /// The written rules with where each list stands: the agent's own, its template's, and those of every policy that selects it.
  package static func sources(
    for agent: Agent, template: AgentTemplate?, policies: [EgressPolicy]
  ) -> [RuleSource] {
    lists(agent, template, policies).map(\.source)
  }

  /// - Returns: of each list the object whose version it changes with; nil for the agent's own rules, which are few and seldom change,
  ///   unlike its version.
  private static func lists(
    _ agent: Agent, _ template: AgentTemplate?, _ policies: [EgressPolicy]
  ) -> [(source: RuleSource, object: ObjectMeta?)] {
    var lists: [(source: RuleSource, object: ObjectMeta?)] = []
    if let rules = agent.spec.egress?.rules, !rules.isEmpty { lists.append((RuleSource(name: "agent", rules: rules), nil)) }
    if let template, let rules = template.spec.egress?.rules, !rules.isEmpty {
      lists.append((RuleSource(name: "template/\(template.metadata.name)", rules: rules), template.metadata))
    }
    for policy in policies where policy.spec.selector?.selects(agent) ?? true {
      lists.append((RuleSource(name: "policy/\(policy.metadata.name)", rules: policy.spec.rules), policy.metadata))
    }
    return lists
  }

  private func compile(
    _ agent: Agent, _ template: AgentTemplate?, _ policies: [EgressPolicy]
  ) throws(PalanaError) -> CompiledRules {
    let lists = Self.lists(agent, template, policies)
    let key = lists.map { ListKey($0.source, trustsVersions ? $0.object : nil) }
    if let known = compiled.withLock({ $0[key] }) { return known }
    let rules = try CompiledRules(lists.map(\.source))
    compiled.withLock { table in
      // Sets that are no longer in use are dropped with the rest when the table has grown; the live ones come back at once.
      if table.count >= 4096 { table.removeAll(keepingCapacity: true) }
      table[key] = rules
    }
    return rules
  }
}

extension AgentSelector {
  /// Whether all given conditions hold for `agent`; an empty list is no condition.
  package func selects(_ agent: Agent) -> Bool {
    if let agents, !agents.isEmpty, !agents.contains(agent.metadata.name.text) { return false }
    if let owners, !owners.isEmpty {
      guard let owner = agent.spec.owner, owners.contains(owner) else { return false }
    }
    if let templates, !templates.isEmpty {
      guard let template = agent.spec.effectiveTemplateName, templates.contains(template) else { return false }
    }
    let labels = agent.metadata.labels ?? [:]
    return (matchLabels ?? [:]).allSatisfy { labels[$0.key] == $0.value }
  }
}

extension PolicySubject {
  /// An agent as decisions see it; nil for one without an owner, which the store never holds.
  package init?(_ agent: Agent) {
    guard let owner = agent.spec.owner else { return nil }
    self.init(
      id: AgentID(owner: owner, name: agent.metadata.name), name: agent.metadata.name, owner: owner,
      template: agent.spec.effectiveTemplateName, labels: agent.metadata.labels ?? [:])
  }
}

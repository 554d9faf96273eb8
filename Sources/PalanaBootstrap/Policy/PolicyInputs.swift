import Logging
import PalanaAPI
import PalanaCore
import PalanaEgress
import PalanaLocal
import PalanaPolicy
import PalanaSecrets

/// Every resource that the gateway's picture of all agents is made of, at one moment, wherever it was read.
struct PolicyInputs: Hashable, Sendable {
  var agents: [Agent] = []
  var templates: [AgentTemplate] = []
  var policies: [EgressPolicy] = []
  var bindings: [SecretBinding] = []
  var orders: [KillOrder] = []

  /// The agents that an order keeps cut off, whether they run or not.
  var killed: Set<AgentID> {
    var killed: Set<AgentID> = []
    for agent in agents where isKilled(agent) {
      if let owner = agent.spec.owner { killed.insert(AgentID(owner: owner, name: agent.metadata.name)) }
    }
    return killed
  }

  private func isKilled(_ agent: Agent) -> Bool { orders.contains { $0.spec.target.covers(agent) } }

  /// The picture as the gateway takes it.
  ///
  /// - Parameter live: the agents that have a network, by identifier. One with another uid is another agent of the same name.
  /// - Throws: ``PalanaError`` with code `conflict` when two agents have the same address.
  func snapshot(
    version: UInt64, live: [AgentID: LiveAgentFacts], book: PolicyBook, proxyToken: (String) -> Redacted<String>, logger: Logger
  ) throws(PalanaError) -> EgressSnapshot {
    let bindings = Dictionary(grouping: bindings) { OwnedName(owner: $0.spec.owner, name: $0.spec.agent) }
    var templates: [String: AgentTemplate] = [:]
    for template in self.templates { templates[template.metadata.name.text] = template }
    var served: [EgressAgent] = []
    var watched: [PlaceholderBinding] = []
    for agent in agents {
      guard let subject = PolicySubject(agent) else { continue }
      let own = Self.placeholders(
        bindings[OwnedName(owner: subject.owner, name: subject.name.text)] ?? [], subject: subject, logger: logger)
      guard let facts = live[subject.id], facts.uid == agent.metadata.uid, agent.metadata.deletionTimestamp == nil else {
        watched += own
        continue
      }
      let template = agent.spec.effectiveTemplateName.flatMap { templates[$0] }
      served.append(
        EgressAgent(
          subject: subject, source: facts.address, instance: facts.run, proxyToken: proxyToken(facts.uid),
          decisions: book.core(for: agent, template: template, policies: policies), bindings: own, isKilled: isKilled(agent)))
    }
    return try EgressSnapshot(version: version, agents: served, watched: watched)
  }

  /// What bounds the runs of agents at the LLM gateway, as far as something does.
  var reasoning: [AgentID: AgentReasoning] {
    var specs: [String: AgentTemplateSpec] = [:]
    for template in templates where template.spec.reasoning != nil { specs[template.metadata.name.text] = template.spec }
    var limits: [AgentID: AgentReasoning] = [:]
    for agent in agents {
      guard let owner = agent.spec.owner,
        let written = agent.spec.effectiveReasoning(template: agent.spec.effectiveTemplateName.flatMap { specs[$0] })
      else { continue }
      limits[AgentID(owner: owner, name: agent.metadata.name)] = written
    }
    return limits
  }

  /// A binding that cannot be read binds nothing; its placeholder is then unknown to the gateway, and refused.
  static func placeholders(
    _ bindings: [SecretBinding], subject: PolicySubject, logger: Logger
  ) -> [PlaceholderBinding] {
    var result: [PlaceholderBinding] = []
    for binding in bindings where binding.spec.access == .proxyOnly {
      do throws(PalanaError) {
        result += try PlaceholderBinding.bindings(from: binding.spec, owner: subject.owner)
      } catch {
        logger.error(
          "secret binding is broken, its placeholder is inert",
          metadata: ["agent.id": "\(subject.id)", "secret.name": "\(binding.spec.secret)", "error": "\(error)"])
      }
    }
    return result
  }

  private struct OwnedName: Hashable {
    var owner: UserIdentity?
    var name: String
  }
}

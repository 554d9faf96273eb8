package import Logging
import PalanaAPI
package import PalanaCore
package import PalanaEgress
package import PalanaLocal
import PalanaPolicy
import PalanaSecrets
package import PalanaStore
import ServiceLifecycle

/// Keeps the gateway's picture of all agents in step with the store: agents, rules, secret bindings, kill orders.
package actor EgressProjection {
  private let store: any ResourceStore
  private let book: PolicyBook
  private let proxyToken: @Sendable (_ uid: String) -> Redacted<String>
  private let apply: @Sendable (EgressSnapshot) async -> Void
  private let logger: Logger
  private var live: [AgentID: LiveAgentFacts] = [:]
  private var version: UInt64 = 0
  private lazy var coalescer = Coalescer<PalanaError> { [weak self] () async throws(PalanaError) in
    try await self?.build()
  }

  package init(
    store: any ResourceStore, book: PolicyBook, proxyToken: @escaping @Sendable (String) -> Redacted<String>,
    apply: @escaping @Sendable (EgressSnapshot) async -> Void, logger: Logger
  ) {
    self.store = store
    self.book = book
    self.proxyToken = proxyToken
    self.apply = apply
    self.logger = logger
  }

  /// Says which agents have a network now. Returns when every event loop of the gateway knows.
  package func publish(_ live: [AgentID: LiveAgentFacts]) async throws(PalanaError) {
    self.live = live
    try await coalescer.run()
  }

  /// Reads the store again. Returns when every event loop of the gateway knows.
  package func refresh() async throws(PalanaError) { try await coalescer.run() }

  private func build() async throws(PalanaError) {
    let live = self.live
    let orders = try await store.list(KillOrderSpec.self, owner: nil)
    let policies = try await store.list(EgressPolicySpec.self, owner: nil)
    let bindings = Dictionary(grouping: try await store.list(SecretBindingSpec.self, owner: nil)) { binding in
      OwnedName(owner: binding.spec.owner, name: binding.spec.agent)
    }
    var templates: [String: AgentTemplate] = [:]
    for template in try await store.list(AgentTemplateSpec.self, owner: nil) {
      templates[template.metadata.name.text] = template
    }
    var agents: [EgressAgent] = []
    var watched: [PlaceholderBinding] = []
    for agent in try await store.list(AgentSpec.self, owner: nil) {
      guard let subject = PolicySubject(agent) else { continue }
      let own = bindings[OwnedName(owner: subject.owner, name: subject.name.text)] ?? []
      guard let facts = live[subject.id], facts.uid == agent.metadata.uid, agent.metadata.deletionTimestamp == nil else {
        watched += placeholders(own, subject: subject)
        continue
      }
      let template = agent.spec.effectiveTemplateName.flatMap { templates[$0] }
      agents.append(
        EgressAgent(
          subject: subject, source: facts.address, proxyToken: proxyToken(facts.uid),
          decisions: book.core(for: agent, template: template, policies: policies),
          bindings: placeholders(own, subject: subject), isKilled: orders.contains { $0.spec.target.covers(agent) }))
    }
    version += 1
    await apply(try EgressSnapshot(version: version, agents: agents, watched: watched))
  }

  /// A binding that cannot be read binds nothing; its placeholder is then unknown to the gateway, and refused.
  private func placeholders(_ bindings: [SecretBinding], subject: PolicySubject) -> [PlaceholderBinding] {
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

extension EgressProjection: Service {
  /// Follows the store until the task ends. A change that cannot be applied is tried again with the next one and at the engine's next tick;
  /// until then the last good picture stays.
  package func run() async throws {
    let relevant: Set<String> = [
      AgentSpec.kind, AgentTemplateSpec.kind, EgressPolicySpec.kind, SecretBindingSpec.kind, KillOrderSpec.kind, "",
    ]
    for await change in store.watch().cancelOnGracefulShutdown() {
      guard relevant.contains(change.kind), change.event != .statusModified else { continue }
      do throws(PalanaError) {
        try await refresh()
      } catch {
        logger.error("the gateway's picture could not be renewed", metadata: ["error": "\(error)"])
      }
    }
  }
}

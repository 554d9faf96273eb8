package import Logging
package import PalanaAPI
package import PalanaCore
package import PalanaEgress
package import PalanaLocal
package import PalanaStore
import ServiceLifecycle

/// Keeps the gateway's picture of all agents in step with the store: agents, rules, secret bindings, kill orders.
package actor EgressProjection {
  private let store: any ResourceStore
  private let book: PolicyBook
  private let proxyToken: @Sendable (_ uid: String) -> Redacted<String>
  private let apply: @Sendable (EgressSnapshot, _ reasoning: [AgentID: AgentReasoning]) async -> Void
  private let logger: Logger
  private var live: [AgentID: LiveAgentFacts] = [:]
  private var version: UInt64 = 0
  private lazy var coalescer = Coalescer<PalanaError> { [weak self] () async throws(PalanaError) in
    try await self?.build()
  }

  package init(
    store: any ResourceStore, book: PolicyBook, proxyToken: @escaping @Sendable (String) -> Redacted<String>,
    apply: @escaping @Sendable (EgressSnapshot, _ reasoning: [AgentID: AgentReasoning]) async -> Void, logger: Logger
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
    let inputs = PolicyInputs(
      agents: try await store.list(AgentSpec.self, owner: nil), templates: try await store.list(AgentTemplateSpec.self, owner: nil),
      policies: try await store.list(EgressPolicySpec.self, owner: nil),
      bindings: try await store.list(SecretBindingSpec.self, owner: nil), orders: try await store.list(KillOrderSpec.self, owner: nil))
    version += 1
    await apply(
      try inputs.snapshot(version: version, live: live, book: book, proxyToken: proxyToken, logger: logger), inputs.reasoning)
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

package import Logging
import PalanaCore
package import PalanaKube
import Synchronization

/// Whose agents there are in the whole cluster, kept up by a watch: for names that stand twice and for quotas.
///
/// What was just allowed counts towards a quota although the watch has not told of it yet: a burst of requests does not go past it.
package final class AgentRegistry: Sendable {
  private struct State {
    var isSynced = false
    var owners: [ObjectKey: UserIdentity] = [:]
    var agents: [UserIdentity: Set<ObjectKey>] = [:]
    /// Allowed and not seen yet, with the end of waiting for them.
    var expected: [ObjectKey: (owner: UserIdentity, until: ContinuousClock.Instant)] = [:]
  }

  /// After so long, what was allowed has not come to be: somebody else refused it.
  private static let patience = Duration.seconds(5)

  /// Whoever can reach the webhooks can have something expected.
  private static let most = 10_000

  private let state = Mutex(State())

  package init() {}

  /// Whether all agents are known. Before that nobody can say what is missing.
  package var isSynced: Bool { state.withLock { $0.isSynced } }

  /// The agents of one owner.
  func agents(of owner: UserIdentity) -> Set<ObjectKey> { state.withLock { $0.agents[owner] ?? [] } }

  /// The same, with those that were just allowed.
  func expectedAgents(of owner: UserIdentity, now: ContinuousClock.Instant = .now) -> Set<ObjectKey> {
    state.withLock { state in
      state.expected = state.expected.filter { $0.value.until > now }
      let expected = state.expected.filter { $0.value.owner == owner }.map(\.key)
      return (state.agents[owner] ?? []).union(expected)
    }
  }

  /// An agent was allowed and will be there in a moment.
  func expect(_ key: ObjectKey, owner: UserIdentity, now: ContinuousClock.Instant = .now) {
    state.withLock { state in
      guard state.owners[key] == nil, state.expected.count < Self.most else { return }
      state.expected[key] = (owner, now + Self.patience)
    }
  }

  /// The list was read to its end.
  func synced() { state.withLock { $0.isSynced = true } }

  /// A watch told of an agent: whose it is, or nil when it is gone.
  func told(_ key: ObjectKey, _ owner: UserIdentity?) {
    state.withLock { state in
      state.expected[key] = nil
      if let old = state.owners[key] {
        state.agents[old]?.remove(key)
        if state.agents[old]?.isEmpty == true { state.agents[old] = nil }
      }
      state.owners[key] = owner
      if let owner { state.agents[owner, default: []].insert(key) }
    }
  }

  /// Keeps itself up to date until it is cancelled.
  package func run(_ client: KubeClient, logger: Logger) async {
    let informer = Informer(Watcher(client, ClusterKinds.agents)) { object in
      object["spec"]?["owner"]?.string.flatMap { try? UserIdentity($0) }
    }
    await informer.run(
      onSync: { self.synced() },
      onFailure: { error in logger.warning("the watch of agents failed", metadata: ["error": "\(error.message)"]) },
      onChange: { change in self.told(change.key, change.new) })
  }
}

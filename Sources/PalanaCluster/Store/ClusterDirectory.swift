import Logging
import PalanaAPI
package import PalanaCore
package import PalanaKube
import PalanaStore
import Synchronization

/// Where objects of ours are in the cluster, kept up by watches of the platform itself. It says where to look; what stands there is read
/// as whoever asks.
package final class ClusterDirectory: Sendable {
  /// What is kept of an object.
  struct Entry: Sendable {
    var uid: String
    var version: String
    var generation: Int64
    var owner: UserIdentity?
    var isDeleting: Bool
    /// Of labels and annotations, to tell a change of them from one of the status.
    var words: Int
    /// Of kinds that are looked at while they change: kill orders.
    var object: KubeObject?

    init(_ object: KubeObject, keepsAll: Bool) {
      uid = object.uid
      version = object.resourceVersion
      generation = object.generation
      owner = object["spec"]?["owner"]?.string.flatMap { try? UserIdentity($0) }
      isDeleting = object.isDeleting
      var hasher = Hasher()
      hasher.combine(object.labels)
      hasher.combine(object.annotations)
      words = hasher.finalize()
      self.object = keepsAll ? object : nil
    }
  }

  private struct Kind: Sendable {
    var resource: KubeResource
    var isOwned: Bool
    var keepsAll = false
    let cache = ObjectCache<Entry>()

    init<Spec: ResourceSpec>(_ spec: Spec.Type, keepsAll: Bool = false) {
      resource = Spec.kube
      isOwned = Spec.isOwned
      self.keepsAll = keepsAll
    }
  }

  private struct Owned: Hashable {
    var kind: String
    var owner: UserIdentity
    var name: String
  }

  private struct Index {
    var places: [Owned: Set<String>] = [:]
    var agents: [AgentID: (owner: UserIdentity, name: ResourceName)] = [:]
    /// Those that a caller has just read or made, which the watch may not have told yet.
    var fresh: [AgentID: (owner: UserIdentity, name: ResourceName)] = [:]
  }

  private static let mostFresh = 1_024

  private let client: KubeClient
  private let logger: Logger
  private let kinds: [Kind]
  private let index = Mutex(Index())
  let hub = WatchHub()

  /// - Parameter client: as the platform itself.
  init(_ client: KubeClient, logger: Logger) {
    self.client = client
    self.logger = logger
    kinds = [
      Kind(AgentSpec.self), Kind(AgentTemplateSpec.self), Kind(EgressPolicySpec.self), Kind(PeeringRuleSpec.self), Kind(LLMBudgetSpec.self),
      Kind(SecretBindingSpec.self), Kind(KillOrderSpec.self, keepsAll: true),
    ]
  }

  /// Runs until it is cancelled; then watches end.
  package func run() async {
    await withDiscardingTaskGroup { group in
      for kind in kinds { group.addTask { await self.watch(kind) } }
    }
    hub.finish()
  }

  private func watch(_ kind: Kind) async {
    let informer = Informer(Watcher(client, kind.resource), cache: kind.cache) { Entry($0, keepsAll: kind.keepsAll) }
    let logger = logger
    await informer.run(
      onFailure: { error in
        logger.warning("a watch does not work", metadata: ["kind": "\(kind.resource)", "error": "\(error.message)"])
      },
      onChange: { change in self.take(change, kind) })
  }

  /// Whether every kind was read once to its end.
  package var isSynced: Bool { kinds.allSatisfy(\.cache.isSynced) }

  /// Why what is known is not kept up at this moment; nil when it is.
  package var failure: KubeError? { kinds.lazy.compactMap(\.cache.failure).first }

  /// Returns when the cluster is known.
  ///
  /// - Throws: `CancellationError`.
  package func ready() async throws {
    while !isSynced { try await Task.sleep(for: .milliseconds(20)) }
  }

  // MARK: Looking things up

  /// The namespaces in which an object of this kind, owner and name stands.
  func namespaces<Spec: ResourceSpec>(_ kind: Spec.Type, owner: UserIdentity, name: String) -> Set<String> {
    index.withLock { $0.places[Owned(kind: Spec.kind, owner: owner, name: name)] ?? [] }
  }

  /// Everything of this kind that belongs to the owner.
  func keys<Spec: ResourceSpec>(_ kind: Spec.Type, owner: UserIdentity) -> [ObjectKey] {
    guard let cache = kinds.first(where: { $0.resource == Spec.kube })?.cache else { return [] }
    return cache.all.filter { $0.value.owner == owner }.map(\.key).sorted()
  }

  /// Whose agent this is.
  func agent(_ id: AgentID) -> (owner: UserIdentity, name: ResourceName)? {
    index.withLock { $0.agents[id] ?? $0.fresh[id] }
  }

  /// Where the objects of these agents stand, with their uids; without those that are not there.
  package func places(of agents: Set<AgentID>) -> [AgentID: (key: ObjectKey, uid: String)] {
    guard let cache = kinds.first(where: { $0.resource == AgentSpec.kube })?.cache else { return [:] }
    var places: [AgentID: (key: ObjectKey, uid: String)] = [:]
    for id in agents {
      guard let (owner, name) = agent(id) else { continue }
      for namespace in namespaces(AgentSpec.self, owner: owner, name: name.description) {
        let key = ObjectKey(namespace: namespace, name: name.description)
        if let entry = cache[key] { places[id] = (key, entry.uid) }
      }
    }
    return places
  }

  /// The order as it was seen last; nil when it is not there, or was not seen yet.
  func order(_ name: String) -> KubeObject? {
    kinds.first { $0.keepsAll }?.cache[ObjectKey(name: name)]?.object
  }

  /// Notes an agent that a caller was shown.
  func note(_ owner: UserIdentity?, _ name: ResourceName) {
    guard let owner else { return }
    let id = AgentID(owner: owner, name: name)
    index.withLock { index in
      guard index.agents[id] == nil else { return }
      if index.fresh.count >= Self.mostFresh { index.fresh.removeAll(keepingCapacity: true) }
      index.fresh[id] = (owner, name)
    }
  }

  // MARK: What the watches tell

  private func take(_ change: Informer<Entry>.Change, _ kind: Kind) {
    // A new list brings everything again.
    if let old = change.old, let new = change.new, old.version == new.version { return }
    if kind.isOwned { file(change, kind) }
    guard let entry = change.new ?? change.old, let name = try? ResourceName(change.key.name) else { return }
    hub.publish(
      StoreChange(
        event: Self.event(change), kind: kind.resource.kind, owner: entry.owner, name: name, resourceVersion: entry.version))
  }

  private static func event(_ change: Informer<Entry>.Change) -> StoreChange.Event {
    guard let new = change.new else { return .deleted }
    guard let old = change.old, old.uid == new.uid else { return .added }
    let isSame = old.generation == new.generation && old.words == new.words && old.isDeleting == new.isDeleting
    return isSame ? .statusModified : .modified
  }

  private func file(_ change: Informer<Entry>.Change, _ kind: Kind) {
    let (key, kindName) = (change.key, kind.resource.kind)
    index.withLock { index in
      if let owner = change.old?.owner {
        let owned = Owned(kind: kindName, owner: owner, name: key.name)
        index.places[owned]?.remove(key.namespace)
        if index.places[owned]?.isEmpty ?? false {
          index.places[owned] = nil
          if kindName == AgentSpec.kind, let name = try? ResourceName(key.name) {
            index.agents[AgentID(owner: owner, name: name)] = nil
            index.fresh[AgentID(owner: owner, name: name)] = nil
          }
        }
      }
      guard let owner = change.new?.owner else { return }
      index.places[Owned(kind: kindName, owner: owner, name: key.name), default: []].insert(key.namespace)
      if kindName == AgentSpec.kind, let name = try? ResourceName(key.name) {
        index.agents[AgentID(owner: owner, name: name)] = (owner, name)
      }
    }
  }
}

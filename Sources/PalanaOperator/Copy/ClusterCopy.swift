import PalanaAPI
import PalanaCore
import PalanaKube
import PalanaPlan
import Synchronization

/// The copy of everything that the operator looks at, kept up by watches. Reading it takes no request.
final class ClusterCopy: Sendable {
  let agents = ObjectCache<SeenAgent>()
  /// nil: one that cannot be read.
  let templates = ObjectCache<AgentTemplate?>()
  let orders = ObjectCache<SeenOrder>()
  let rules = ObjectCache<PeeringRuleSpec>()
  let bindings = ObjectCache<SecretBinding>()
  let pods = ObjectCache<PodState>()
  let objects: [KubernetesManifest.Kind: ObjectCache<Kept>]
  private let index = Mutex(Index())

  /// Which object of which kind.
  struct Member: Hashable, Sendable {
    var kind: KubernetesManifest.Kind
    var key: ObjectKey
  }

  private struct Index {
    var agents: [String: ObjectKey] = [:]
    var members: [String: Set<Member>] = [:]
    var pods: [String: Set<ObjectKey>] = [:]
    /// By the agent that is named, in the namespace of whoever wrote it.
    var rules: [ObjectKey: Set<ObjectKey>] = [:]
    var bindings: [ObjectKey: Set<ObjectKey>] = [:]
  }

  /// - Parameter kinds: those that the cluster serves.
  init(kinds: [KubernetesManifest.Kind]) {
    objects = Dictionary(kinds.map { ($0, ObjectCache<Kept>()) }) { first, _ in first }
  }

  // MARK: Looking things up

  func agent(ofNamespace name: String) -> ObjectKey? { index.withLock { $0.agents[name] } }

  func object(_ member: Member) -> Kept? { objects[member.kind]?[member.key] }

  func members(of namespace: String) -> Set<Member> { index.withLock { $0.members[namespace] ?? [] } }

  func pods(in namespace: String) -> [PodState] {
    index.withLock { $0.pods[namespace] ?? [] }.sorted().compactMap { pods[$0] }
  }

  /// The rules that name this agent, of those that stand beside it.
  func rules(about agent: ObjectKey) -> [PeeringRuleSpec] {
    index.withLock { $0.rules[agent] ?? [] }.sorted().compactMap { rules[$0] }
  }

  func bindings(of agent: ObjectKey) -> [SecretBinding] {
    index.withLock { $0.bindings[agent] ?? [] }.sorted().compactMap { bindings[$0] }
  }

  /// One of the cluster wins over a built-in one of the same name.
  func template(named name: String) -> AgentTemplate? {
    if let own = templates[ObjectKey(name: name)] { return own }
    return BuiltinTemplates.named(name)
  }

  /// The orders that keep the agent cut off.
  func orders(about seen: SeenAgent) -> [SeenOrder] { orders.all.values.filter { $0.covers(seen) } }

  // MARK: What watches tell

  func changed(_ change: Informer<SeenAgent>.Change) {
    index.withLock { index in
      if let namespace = change.old?.identity?.namespace, index.agents[namespace] == change.key { index.agents[namespace] = nil }
      // The first of two that claim to be the same keeps the place; the other one is told so when it is reconciled.
      if let namespace = change.new?.identity?.namespace, index.agents[namespace] == nil { index.agents[namespace] = change.key }
    }
  }

  /// Gives the place that another agent left.
  func claim(_ key: ObjectKey, _ agent: SeenAgent) {
    guard let namespace = agent.identity?.namespace else { return }
    index.withLock { if $0.agents[namespace] == nil { $0.agents[namespace] = key } }
  }

  func changed(_ kind: KubernetesManifest.Kind, _ change: Informer<Kept>.Change) {
    let member = Member(kind: kind, key: change.key)
    let namespace = Self.namespace(of: member)
    index.withLock { $0.members.change(namespace, member, isThere: change.new != nil) }
  }

  func changed(_ change: Informer<PodState>.Change) {
    index.withLock { $0.pods.change(change.key.namespace, change.key, isThere: change.new != nil) }
  }

  /// - Returns: the agents that it is about.
  func changed(_ change: Informer<PeeringRuleSpec>.Change) -> Set<ObjectKey> {
    let (old, new) = (Self.agents(change.old, change.key), Self.agents(change.new, change.key))
    index.withLock { index in
      for agent in old { index.rules.change(agent, change.key, isThere: false) }
      for agent in new { index.rules.change(agent, change.key, isThere: true) }
    }
    return old.union(new)
  }

  /// - Returns: the agents that it is about.
  func changed(_ change: Informer<SecretBinding>.Change) -> Set<ObjectKey> {
    func agent(_ binding: SecretBinding?) -> Set<ObjectKey> {
      binding.map { [ObjectKey(namespace: change.key.namespace, name: $0.spec.agent)] } ?? []
    }
    let (old, new) = (agent(change.old), agent(change.new))
    index.withLock { index in
      for agent in old { index.bindings.change(agent, change.key, isThere: false) }
      for agent in new { index.bindings.change(agent, change.key, isThere: true) }
    }
    return old.union(new)
  }

  private static func agents(_ rule: PeeringRuleSpec?, _ key: ObjectKey) -> Set<ObjectKey> {
    Set([rule?.from, rule?.to].compactMap { $0 }.map { ObjectKey(namespace: key.namespace, name: $0) })
  }

  /// The namespace that an object stands in or is.
  static func namespace(of member: Member) -> String { member.kind == .namespace ? member.key.name : member.key.namespace }
}

extension Dictionary {
  fileprivate mutating func change<Item: Hashable>(_ key: Key, _ item: Item, isThere: Bool) where Value == Set<Item> {
    if isThere {
      self[key, default: []].insert(item)
    } else {
      self[key]?.remove(item)
      if self[key]?.isEmpty == true { self[key] = nil }
    }
  }
}

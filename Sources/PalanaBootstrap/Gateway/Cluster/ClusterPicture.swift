import Logging
import PalanaAPI
import PalanaCore
import PalanaEgress
import PalanaKube
import PalanaPlan
import PalanaPolicy
import PalanaSecrets

/// Everything of a cluster that decides about agents' requests, and what the gateway makes of it. A value, changed by what watches tell.
///
/// Only what changed is made anew: a pod that comes or goes concerns its own agent.
struct ClusterPicture {
  /// What agents are made with.
  struct Tools {
    var book: PolicyBook
    var proxyToken: @Sendable (_ uid: String) -> Redacted<String>
    var logger: Logger
  }

  private struct Built {
    var served: EgressAgent?
    /// Its secrets, while it is not served.
    var watched: [PlaceholderBinding] = []
    var id: AgentID?
    var isKilled = false
  }

  private var agents: [ObjectKey: ClusterAgent] = [:]
  /// By name: the uid of the agent that the namespace is made for.
  private var claims: [String: String] = [:]
  private var pods: [ObjectKey: ClusterPod] = [:]
  private var bindings: [ObjectKey: ClusterBinding] = [:]
  /// Nil: one that cannot be read.
  private var templates: [String: AgentTemplate?] = [:]
  private var policies: [String: ClusterPolicy] = [:]
  private(set) var orders: [String: ClusterOrder] = [:]

  /// The agents that have their objects in a namespace: more than one when several claim to be the same.
  private var homes: [String: Set<ObjectKey>] = [:]
  private var addresses: [IPAddress: Set<ObjectKey>] = [:]
  /// By the agent that they name, in the namespace in which they stand.
  private var bindingsOf: [ObjectKey: Set<ObjectKey>] = [:]
  /// By namespace: those that do not say whose they are.
  private var stray: [String: Set<ObjectKey>] = [:]

  private var built: [ObjectKey: Built] = [:]
  private var changed: Set<ObjectKey> = []
  private var isAllChanged = true
  private var areOrdersChanged = false
  private var soundPolicies: [EgressPolicy] = []
  private var brokenPolicies: [AgentSelector?] = []

  // MARK: What watches tell. Each says whether anything changed that matters here.

  mutating func put(agent key: ObjectKey, _ new: ClusterAgent?) -> Bool {
    let old = agents[key]
    guard old != new else { return false }
    agents[key] = new
    if let home = old?.identity?.namespace { homes.change(home, key, isThere: false) }
    if let home = new?.identity?.namespace { homes.change(home, key, isThere: true) }
    changed.insert(key)
    return true
  }

  mutating func put(namespace name: String, agentUID uid: String?) -> Bool {
    guard claims[name] != uid else { return false }
    claims[name] = uid
    mark(home: name)
    return true
  }

  mutating func put(pod key: ObjectKey, _ new: ClusterPod?) -> Bool {
    let old = pods[key]
    guard old != new else { return false }
    pods[key] = new
    let concerned = Set([old?.address, new?.address].compactMap(\.self))
    // Whoever shares an address with it, before or after, is served or not because of it.
    for address in concerned { markAll(at: address) }
    if let address = old?.address { addresses.change(address, key, isThere: false) }
    if let address = new?.address { addresses.change(address, key, isThere: true) }
    for address in concerned { markAll(at: address) }
    mark(home: key.namespace)
    return true
  }

  mutating func put(binding key: ObjectKey, _ new: ClusterBinding?) -> Bool {
    let old = bindings[key]
    guard old != new else { return false }
    bindings[key] = new
    for (binding, isThere) in [(old, false), (new, true)] {
      guard let binding else { continue }
      if let name = binding.agent {
        let agent = ObjectKey(namespace: key.namespace, name: name)
        bindingsOf.change(agent, key, isThere: isThere)
        changed.insert(agent)
      } else {
        stray.change(key.namespace, key, isThere: isThere)
        isAllChanged = true
      }
    }
    return true
  }

  /// - Parameter new: nil: it is gone; nil inside: it cannot be read.
  mutating func put(template name: String, _ new: AgentTemplate??) -> Bool {
    guard templates[name] != new else { return false }
    templates[name] = new
    isAllChanged = true
    return true
  }

  mutating func put(policy name: String, _ new: ClusterPolicy?) -> Bool {
    guard policies[name] != new else { return false }
    policies[name] = new
    soundPolicies = []
    brokenPolicies = []
    for (_, policy) in policies.sorted(by: { $0.key < $1.key }) {
      switch policy {
      case .sound(let policy): soundPolicies.append(policy)
      case .broken(let selector): brokenPolicies.append(selector)
      }
    }
    isAllChanged = true
    return true
  }

  mutating func put(order name: String, _ new: ClusterOrder?) -> Bool {
    let old = orders[name]
    guard old != new else { return false }
    orders[name] = new
    areOrdersChanged = true
    return true
  }

  private mutating func mark(home: String) { changed.formUnion(homes[home] ?? []) }

  private mutating func markAll(at address: IPAddress) {
    for pod in addresses[address] ?? [] { mark(home: pod.namespace) }
  }

  // MARK: What follows

  /// Those that an order keeps cut off, whether they run or not; as of the last ``snapshot(version:withheld:_:)``.
  var killed: Set<AgentID> { Set(built.values.lazy.filter(\.isKilled).compactMap(\.id)) }
  /// The objects of those that are served, with their uids.
  var places: [AgentID: (key: ObjectKey, uid: String)] {
    var places: [AgentID: (key: ObjectKey, uid: String)] = [:]
    for (key, one) in built where one.served != nil {
      if let id = one.id, let agent = agents[key] { places[id] = (key, agent.uid) }
    }
    return places
  }
  /// Agents that are served.
  var served: Int { built.values.count { $0.served != nil } }

  /// - Parameter withheld: nothing that agents ask for is allowed.
  mutating func snapshot(version: UInt64, withheld: Withheld?, _ tools: Tools) throws(PalanaError) -> EgressSnapshot {
    if areOrdersChanged {
      for (key, agent) in agents where built[key]?.isKilled != isKilled(agent) { changed.insert(key) }
    }
    let keys = isAllChanged ? Set(agents.keys).union(built.keys) : changed
    for key in keys { built[key] = agents[key].map { build($0, tools) } }
    changed = []
    (isAllChanged, areOrdersChanged) = (false, false)
    var all = built.values.compactMap(\.served)
    if let withheld { all = all.map { $0.behind(withheld) } }
    return try EgressSnapshot(version: version, agents: all, watched: built.values.flatMap(\.watched))
  }

  private func isKilled(_ agent: ClusterAgent) -> Bool { orders.values.contains { $0.covers(agent) } }

  private func build(_ seen: ClusterAgent, _ tools: Tools) -> Built {
    var result = Built(id: seen.identity?.id, isKilled: isKilled(seen))
    guard let agent = seen.agent, let identity = seen.identity, let subject = PolicySubject(agent) else { return result }
    let beside = (bindingsOf[seen.key] ?? []).sorted().compactMap { bindings[$0] }
    let own = beside.compactMap { binding -> SecretBinding? in
      guard case .sound(let binding) = binding, binding.spec.owner == identity.owner else { return nil }
      return binding
    }
    let placeholders = PolicyInputs.placeholders(own, subject: subject, logger: tools.logger)
    guard !seen.isDeleting, let pod = pod(of: seen, identity), let address = pod.address else {
      result.watched = placeholders
      return result
    }
    // A part of its rules that is not known may be the one that denies.
    var isWhole =
      stray[seen.key.namespace] == nil && beside.allSatisfy { if case .sound = $0 { true } else { false } }
      && brokenPolicies.allSatisfy { selector in selector.map { !$0.selects(agent) } ?? false }
    var template: AgentTemplate?
    if let name = agent.spec.effectiveTemplateName {
      template = self.template(named: name)
      isWhole = isWhole && template != nil
    }
    let served = EgressAgent(
      subject: subject, source: address, instance: pod.uid, proxyToken: tools.proxyToken(seen.uid),
      decisions: tools.book.core(for: agent, template: template, policies: soundPolicies), bindings: placeholders,
      isKilled: result.isKilled)
    result.served = isWhole ? served : served.behind(Withheld("a part of the rules for this agent cannot be read"))
    return result
  }

  /// One of the cluster wins over a built-in one of the same name.
  private func template(named name: String) -> AgentTemplate? {
    if let own = templates[name] { return own }
    return BuiltinTemplates.named(name)
  }

  /// Its pod, if there is no doubt: in the namespace that was made for this very agent, and with an address that nobody else claims.
  private func pod(of agent: ClusterAgent, _ identity: ClusterAgent.Identity) -> ClusterPod? {
    guard claims[identity.namespace] == agent.uid,
      let pod = pods[ObjectKey(namespace: identity.namespace, name: ClusterPod.name)], pod.isServed, pod.agentID == identity.id.text,
      let address = pod.address, addresses[address]?.count == 1
    else { return nil }
    return pod
  }
}

extension EgressAgent {
  fileprivate func behind(_ withheld: Withheld) -> EgressAgent {
    EgressAgent(
      subject: subject, source: source, instance: instance, proxyToken: proxyToken, decisions: withheld.core(decisions), bindings: bindings,
      isKilled: isKilled, connectionLimit: connectionLimit)
  }
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

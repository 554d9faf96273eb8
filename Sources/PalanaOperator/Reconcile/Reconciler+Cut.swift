import PalanaAPI
import PalanaCore
import PalanaKube
import PalanaPlan

/// What a kill takes away from an agent at one plane, from what is there alone: no plan is needed for it and none can be in its way.
struct Cut: Sendable {
  var plane: KillOrderStatus.Plane
  /// Asks for what is left to go. Again and again, as something else may bring it back.
  var run: @Sendable (SeenAgent, SeenAgent.Identity) async throws(KubeError) -> Void
  /// Whether nothing is left.
  var isDone: @Sendable (SeenAgent, SeenAgent.Identity) -> Bool
}

extension Reconciler {
  /// A plane is cut when every cut of it is. Whatever else gives an agent credentials belongs into this list too.
  var cuts: [Cut] {
    [
      Cut(plane: .network, run: closePaths, isDone: arePathsClosed),
      Cut(plane: .credentials, run: removeProxyToken, isDone: { proxyToken($1) == nil }),
      // Taken away after everything else, so that a store that is away holds nothing up.
      Cut(plane: .credentials, run: { _, _ in }, isDone: { isGrantWithdrawn($1) }),
      Cut(plane: .compute, run: endProcess, isDone: isProcessEnded),
    ]
  }

  /// Every plane is tried, whatever the others did.
  ///
  /// - Throws: the first failure.
  func cut(_ seen: SeenAgent, _ orders: [SeenOrder]) async throws(KubeError) {
    guard let identity = seen.identity else { return }
    let planes = Set(orders.flatMap(\.planes))
    var first: KubeError?
    var failures: [KillOrderStatus.Plane: String] = [:]
    for cut in cuts where planes.contains(cut.plane) {
      do throws(KubeError) { try await cut.run(seen, identity) } catch {
        // Somebody was faster; the next look sees what they did.
        if error.kind != .conflict { failures[cut.plane] = error.message }
        first = first ?? error
      }
    }
    ledger.note(seen.key, failures)
    if let first { throw first }
  }

  // MARK: Network

  /// What denies everything comes first, and then what allows something goes.
  @Sendable private func closePaths(_ seen: SeenAgent, _ identity: SeenAgent.Identity) async throws(KubeError) {
    if isHome(identity, of: seen), let deny = defaultDeny(identity) {
      let outcome = try await writer.ensure(deny)
      if case .repaired(let fields, let by) = outcome {
        var pass = Pass(seen: seen, identity: identity)
        let key = ObjectKey(namespace: identity.namespace, name: deny.name)
        pass.repairs.append(Pass.Repair(member: .init(kind: deny.kind, key: key), fields: fields, by: by))
        await tell(pass)
      }
    }
    for policy in openings(identity) {
      try await writer.remove(policy)
      memory.forget([.init(kind: policy.kind, key: policy.key)])
    }
  }

  @Sendable private func arePathsClosed(_ seen: SeenAgent, _ identity: SeenAgent.Identity) -> Bool {
    guard openings(identity).isEmpty else { return false }
    guard isHome(identity, of: seen), let deny = defaultDeny(identity) else { return true }
    let found = writer.current(.init(kind: .networkPolicy, key: ObjectKey(namespace: identity.namespace, name: deny.name)))
    return found.map { !$0.isDeleting && Comparison.differences(deny, $0.object).isEmpty } ?? false
  }

  /// Every policy in its namespace but the one that denies everything.
  private func openings(_ identity: SeenAgent.Identity) -> [Kept] {
    copy.members(of: identity.namespace).filter {
      $0.kind == .networkPolicy && $0.key.name != KubernetesRenderer.Name.defaultDeny || $0.kind == .ciliumNetworkPolicy
    }.sorted { $0.key < $1.key }.compactMap(writer.current)
  }

  private func defaultDeny(_ identity: SeenAgent.Identity) -> KubernetesManifest? {
    guard copy.objects[.networkPolicy] != nil else { return nil }
    return AgentEnclosure(owner: identity.owner, name: identity.name, uid: "", source: "").nothing()
  }

  /// Whether its namespace is there and made for it.
  private func isHome(_ identity: SeenAgent.Identity, of seen: SeenAgent) -> Bool {
    let namespace = writer.current(.init(kind: .namespace, key: ObjectKey(name: identity.namespace)))
    return namespace.map { !$0.isDeleting && $0.annotation(AgentLabels.agentUID) == seen.uid } ?? false
  }

  // MARK: Credentials

  /// What a pod that is started meanwhile would get. The gateways refuse it anyway, by the order itself.
  @Sendable private func removeProxyToken(_ seen: SeenAgent, _ identity: SeenAgent.Identity) async throws(KubeError) {
    guard let secret = proxyToken(identity) else { return }
    try await writer.remove(secret)
    memory.forget([.init(kind: .secret, key: secret.key)])
  }

  private func proxyToken(_ identity: SeenAgent.Identity) -> Kept? {
    writer.current(.init(kind: .secret, key: ObjectKey(namespace: identity.namespace, name: KubernetesRenderer.Name.proxyToken)))
  }

  // MARK: Compute

  @Sendable private func endProcess(_ seen: SeenAgent, _ identity: SeenAgent.Identity) async throws(KubeError) {
    guard let workload = runningWorkload(identity) else { return }
    let member = ClusterCopy.Member(kind: .statefulSet, key: workload.key)
    memory.wrote(member, Kept(.statefulSet, try await cluster.merge(member.kind.resource, member.key, ["spec": ["replicas": 0]])))
  }

  @Sendable private func isProcessEnded(_ seen: SeenAgent, _ identity: SeenAgent.Identity) -> Bool {
    runningWorkload(identity) == nil && copy.pods(in: identity.namespace).isEmpty
  }

  private func runningWorkload(_ identity: SeenAgent.Identity) -> Kept? {
    let key = ObjectKey(namespace: identity.namespace, name: KubernetesRenderer.Name.agent)
    guard let workload = writer.current(.init(kind: .statefulSet, key: key)), workload.object["spec"]?["replicas"] != 0 else { return nil }
    return workload
  }
}

package import Logging
import PalanaAPI
package import PalanaAudit
import PalanaCore
package import PalanaKube
package import PalanaPlan

/// The engine of a cluster: watches agents, what decides about them and what was made for them, and keeps the last as the first say.
///
/// One at a time may run: see ``LeaderElection``. Cancelled, it stops writing.
package struct OperatorEngine: Sendable {
  private let client: KubeClient
  let configuration: OperatorConfiguration
  let logger: Logger
  let copy: ClusterCopy
  let cluster: any ClusterWriting
  let audit: any AuditSink
  private let memory = WriteMemory()
  private let queue = WorkQueue<ObjectKey>()
  /// Of kill orders that may have something to be said about.
  private let answers = WorkQueue<ObjectKey>()
  private let reconciler: Reconciler
  private let reporter: OrderReporter

  /// - Parameters:
  ///   - kinds: those of the objects made for agents that the cluster serves.
  ///   - cluster: nil: through `client`.
  package init(
    _ client: KubeClient, _ configuration: OperatorConfiguration, kinds: [KubernetesManifest.Kind], audit: any AuditSink,
    cluster: (any ClusterWriting)? = nil, logger: Logger
  ) {
    self.client = client
    self.configuration = configuration
    self.logger = logger
    let copy = ClusterCopy(kinds: kinds)
    self.copy = copy
    let cluster = cluster ?? Cluster(client)
    self.cluster = cluster
    self.audit = audit
    let ledger = CutLedger()
    reconciler = Reconciler(
      configuration: configuration, copy: copy, memory: memory, ledger: ledger, cluster: cluster, audit: audit,
      events: EventRecorder(cluster, identity: configuration.identity, clock: configuration.clock, logger: logger), logger: logger)
    reporter = OrderReporter(
      copy: copy, cluster: cluster, cuts: reconciler.cuts, ledger: ledger, clock: configuration.clock, logger: logger)
  }

  /// The kinds of objects for agents that this cluster serves: some come with other projects.
  package static func kinds(of client: KubeClient) async throws(KubeError) -> [KubernetesManifest.Kind] {
    var kinds: [KubernetesManifest.Kind] = []
    for kind in KubernetesManifest.Kind.allCases {
      switch kind {
      case .ciliumNetworkPolicy, .httpRoute: if try await client.serves(kind.resource) { kinds.append(kind) }
      default: kinds.append(kind)
      }
    }
    return kinds
  }

  /// Runs until it is cancelled, or until the cluster serves other kinds of objects than it did: then it begins anew, with those.
  package func run() async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await work() }
      group.addTask { await untilOtherKinds() }
      await group.next()
      group.cancelAll()
    }
  }

  private func untilOtherKinds() async {
    while (try? await Task.sleep(for: configuration.discovery)) != nil {
      // A server that does not answer says nothing about its kinds.
      guard let kinds = try? await Self.kinds(of: client), Set(kinds) != Set(copy.objects.keys) else { continue }
      logger.notice("the cluster serves other kinds", metadata: ["kinds": "\(kinds.map(\.rawValue).joined(separator: " "))"])
      return
    }
  }

  private func work() async {
    let barrier = SyncBarrier(count: 6 + copy.objects.count)
    await withDiscardingTaskGroup { group in
      for watch in watches(barrier) { group.addTask { await watch() } }
      group.addTask {
        // With half a copy, what is there would look as if it were missing.
        guard await barrier.reached() else { return }
        logger.notice("the cluster is known", metadata: ["agents": "\(copy.agents.count)"])
        await withDiscardingTaskGroup { work in
          if let grants = configuration.grants { work.addTask { await follow(grants) } }
          work.addTask { await answers.run(workers: 1) { key in await reporter.reconcile(key) } }
          work.addTask {
            await queue.run(workers: configuration.workers) { key in
              let seen = copy.agents[key]
              let outcome = await reconciler.reconcile(key)
              for order in seen.map(copy.orders(about:)) ?? [] { await answers.add(order.key) }
              return outcome
            }
          }
        }
      }
      group.addTask {
        while (try? await Task.sleep(for: configuration.resync)) != nil {
          for key in copy.agents.keys { await queue.add(key) }
        }
      }
    }
  }

  /// Nobody tells of the secret store: it is asked which agents have rights there, and what waited for it goes on when it is back.
  private func follow(_ grants: GrantKeeper) async {
    var last: ContinuousClock.Instant?
    var wasFailing = false
    while !Task.isCancelled {
      if grants.isFailing || wasFailing || last.map({ $0 + configuration.resync < .now }) ?? true {
        do throws(PalanaError) {
          for role in try await grants.load() {
            if let agent = copy.agent(ofNamespace: String(role.dropFirst("palana-".utf8.count))) { await queue.add(agent) }
          }
          for (key, agent) in copy.agents.all where agent.waitsForSecretStore || !copy.orders(about: agent).isEmpty { await queue.add(key) }
          last = .now
          wasFailing = false
        } catch {
          wasFailing = true
          logger.warning("the secret store cannot be used", metadata: ["error": "\(error.message)"])
        }
      }
      guard (try? await Task.sleep(for: grants.patience)) != nil else { return }
    }
  }

  // MARK: What is watched

  private typealias Watch = @Sendable () async -> Void

  private func watches(_ barrier: SyncBarrier) -> [Watch] {
    let (copy, queue, answers, ledger) = (copy, queue, answers, reconciler.ledger)
    var all: [Watch] = [
      watch(barrier, ClusterKinds.agents, copy.agents, keep: { SeenAgent($0) }) { change in
        copy.changed(change)
        if change.new == nil, let namespace = change.old?.identity?.namespace {
          // Another one that claims to be the same may have waited for this.
          for (key, other) in copy.agents.all where other.identity?.namespace == namespace {
            copy.claim(key, other)
            await queue.add(key)
          }
        }
        await queue.add(change.key)
        // It is no more what an order waits for.
        guard change.new == nil else { return }
        ledger.note(change.key, [:])
        for order in copy.orders.keys { await answers.add(order) }
      },
      watch(barrier, ClusterKinds.templates, copy.templates, keep: { Self.read($0, as: AgentTemplate.self) }) { change in
        for (key, agent) in copy.agents.all where agent.templateName == change.key.name { await queue.add(key) }
      },
      watch(barrier, ClusterKinds.orders, copy.orders, keep: { SeenOrder($0) }) { change in
        await answers.add(change.key)
        // What is said in an order changes nothing of what it asks for.
        guard change.old?.uid != change.new?.uid || change.old?.spec != change.new?.spec else { return }
        for key in copy.agents.keys { await queue.add(key) }
      },
      watch(barrier, ClusterKinds.rules, copy.rules, keep: { Self.read($0, as: PeeringRule.self)?.spec }) { change in
        for key in copy.changed(change) { await queue.add(key) }
      },
      watch(barrier, ClusterKinds.bindings, copy.bindings, keep: { Self.read($0, as: SecretBinding.self) }) { change in
        for key in copy.changed(change) { await queue.add(key) }
      },
      watch(barrier, ClusterKinds.pods, copy.pods, labels: AgentLabels.selector, keep: { PodState($0) }) { change in
        copy.changed(change)
        if change.old != change.new, let agent = copy.agent(ofNamespace: change.key.namespace) { await queue.add(agent) }
      },
    ]
    for (kind, cache) in copy.objects { all.append(watch(barrier, kind, cache)) }
    return all
  }

  private func watch(_ barrier: SyncBarrier, _ kind: KubernetesManifest.Kind, _ cache: ObjectCache<Kept>) -> Watch {
    let (copy, queue, memory) = (copy, queue, memory)
    // Policies add up, so those of others in an agent's namespace matter too.
    let isOpen = kind.isPolicy
    let ownSlices = "\(AgentLabels.selector),\(AgentLabels.sliceManager)=\(AgentLabels.manager)"
    let labels = kind == .endpointSlice ? ownSlices : AgentLabels.selector
    return watch(
      barrier, kind.resource, cache, labels: isOpen ? nil : labels,
      keep: { object in isOpen && !object.namespace.hasPrefix(AgentNamespace.prefix) ? nil : Kept(kind, object) },
      onChange: { change in
        let member = ClusterCopy.Member(kind: kind, key: change.key)
        memory.told(member, change.new)
        copy.changed(kind, change)
        guard change.old?.resourceVersion != change.new?.resourceVersion else { return }
        if let agent = copy.agent(ofNamespace: ClusterCopy.namespace(of: member)) { await queue.add(agent) }
      })
  }

  private func watch<Value: Sendable>(
    _ barrier: SyncBarrier, _ resource: KubeResource, _ cache: ObjectCache<Value>, labels: String? = nil,
    keep: @escaping @Sendable (KubeObject) -> Value?, onChange: @escaping @Sendable (Informer<Value>.Change) async -> Void
  ) -> Watch {
    let informer = Informer(Watcher(client, resource, Selection(labels: labels)), cache: cache, keep: keep)
    let logger = logger
    return {
      await informer.run(
        onSync: { barrier.synced("\(resource)") },
        onFailure: { error in
          let isMissing = error.kind == .notFound && resource.group == "palana.dev"
          logger.warning(
            "a watch failed",
            metadata: [
              "resource": "\(resource)",
              "error":
                "\(isMissing ? "the cluster does not know this kind: palanad crds | kubectl apply --server-side -f -" : error.message)",
            ])
        }, onChange: onChange)
    }
  }

  private static func read<Spec: ResourceSpec>(_ object: KubeObject, as type: Resource<Spec>.Type) -> Resource<Spec>? {
    guard let resource = try? StrictDecoder.decode(type, from: object.json, passesUnknown: true), resource.validate().isEmpty else {
      return nil
    }
    return resource
  }
}

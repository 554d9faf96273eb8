import Logging
import PalanaAPI
import PalanaCore
import PalanaEgress
import PalanaKube
import PalanaOperator
import PalanaPlan
import PalanaPolicy
import ServiceLifecycle
import Synchronization

/// Keeps the gateway's picture of all agents in step with a cluster, by watches.
///
/// Nothing is allowed before everything was read, nor when it may be old (``ClusterFreshness``).
final class ClusterFollower: Service, CustomStringConvertible {
  /// A kill order that holds here.
  struct HeldOrder: Hashable, Sendable {
    var name: String
    var uid: String
    /// When it began to hold.
    var at: Timestamp
    /// Whether the cluster knows that it does.
    var isAnswered: Bool
  }

  private struct State {
    var picture = ClusterPicture()
    var freshness: ClusterFreshness
    var version: UInt64 = 0
    /// By uid.
    var held: [String: HeldOrder] = [:]
    /// Nil: nothing was put in force yet.
    var health: PictureHealth?
  }

  private let source: ClusterSource
  private let tools: ClusterPicture.Tools
  private let killed: @Sendable (Set<AgentID>) -> Void
  private let apply: @Sendable (EgressSnapshot) async -> Void
  private let clock: MonotonicClock
  private let wall: WallClock
  private let logger: Logger
  private let state: Mutex<State>
  private let changes = Signal()
  private let orders = Signal()

  private static let withheld = Withheld("what the cluster says of agents cannot be known at this moment")
  /// How late it may be noticed that the time is over.
  private static let interval = Duration.milliseconds(200)
  /// Servers send a bookmark about once a minute.
  private static let silence = Duration.seconds(90)

  /// - Parameters:
  ///   - killed: told the agents that a kill order covers, before each picture.
  ///   - apply: puts a picture in force; returns when it holds.
  init(
    _ source: ClusterSource, book: PolicyBook, proxyToken: @escaping @Sendable (String) -> Redacted<String>,
    killed: @escaping @Sendable (Set<AgentID>) -> Void, clock: MonotonicClock = .system, wall: WallClock = .system, logger: Logger,
    apply: @escaping @Sendable (EgressSnapshot) async -> Void
  ) {
    self.source = source
    tools = ClusterPicture.Tools(book: book, proxyToken: proxyToken, logger: logger)
    self.killed = killed
    self.apply = apply
    self.clock = clock
    self.wall = wall
    self.logger = logger
    state = Mutex(State(freshness: ClusterFreshness(patience: source.patience, collections: Self.collections.map { "\($0)" })))
  }

  var description: String { "ClusterFollower" }

  /// Before everything was read, what is missing.
  var health: PictureHealth {
    state.withLock { state in
      state.health ?? .withheld(state.freshness.problem(now: clock.now()) ?? PalanaError(.unreachable, "the first picture is being made"))
    }
  }

  /// Runs until graceful shutdown.
  func run() async throws {
    await cancelWhenGracefulShutdown {
      await withDiscardingTaskGroup { group in
        for watch in self.watches { group.addTask { await watch() } }
        group.addTask { for await _ in self.changes.stream { await self.refresh() } }
        group.addTask { await self.answer() }
        group.addTask {
          while (try? await Task.sleep(for: Self.interval)) != nil { if self.isTurning { self.changes.give() } }
        }
      }
    }
  }

  // MARK: The picture

  private struct Draft {
    var snapshot: Result<EgressSnapshot, PalanaError>
    var version: UInt64
    var killed: Set<AgentID>
    var orders: [String: ClusterOrder]
    var served: Int
    /// Why nothing in it is allowed.
    var problem: PalanaError?
  }

  private func draft(now: Duration) -> Draft? {
    state.withLock { state in
      guard state.freshness.isSynced else { return nil }
      state.version += 1
      let problem = state.freshness.problem(now: now)
      let snapshot: Result<EgressSnapshot, PalanaError>
      do throws(PalanaError) {
        snapshot = .success(
          try state.picture.snapshot(version: state.version, withheld: problem == nil ? nil : Self.withheld, tools))
      } catch {
        snapshot = .failure(error)
      }
      return Draft(
        snapshot: snapshot, version: state.version, killed: state.picture.killed, orders: state.picture.orders,
        served: state.picture.served, problem: problem)
    }
  }

  /// Puts what is known in force. For one caller at a time.
  private func refresh() async {
    guard let draft = draft(now: clock.now()) else { return }
    let health: PictureHealth
    killed(draft.killed)
    switch draft.snapshot {
    case .success(let snapshot):
      await apply(snapshot)
      health = draft.problem.map { .withheld($0) } ?? .current(agents: draft.served)
    case .failure(let error):
      // The one in force may allow what no longer holds.
      if let nobody = try? EgressSnapshot(version: draft.version, agents: []) { await apply(nobody) }
      health = .withheld(error)
    }
    let at = wall.now()
    let before = state.withLock { state in
      let before = state.health
      state.health = health
      var held: [String: HeldOrder] = [:]
      for (name, order) in draft.orders {
        let since = state.held[order.uid]?.at ?? at
        held[order.uid] = HeldOrder(name: name, uid: order.uid, at: since, isAnswered: order.isAnswered)
      }
      state.held = held
      return before
    }
    orders.give()
    tell(before, health)
  }

  private func tell(_ before: PictureHealth?, _ after: PictureHealth) {
    switch (before, after) {
    case (.current?, .withheld(let error)):
      logger.critical("nothing is allowed", metadata: ["error": "\(error.message)"])
    case (.withheld?, .current(let agents)), (nil, .current(let agents)):
      logger.notice("the cluster is known", metadata: ["agents.running": "\(agents)"])
    default: return
    }
  }

  /// Whether time alone has changed what may be allowed.
  private var isTurning: Bool {
    let now = clock.now()
    return state.withLock { state in
      guard state.freshness.isSynced else { return false }
      let isFresh = state.freshness.problem(now: now) == nil
      return if case .current? = state.health { !isFresh } else { isFresh || state.health == nil }
    }
  }

  /// The objects of the agents that are served, with their uids.
  var places: [AgentID: (key: ObjectKey, uid: String)] { state.withLock { $0.picture.places } }

  // MARK: The lease

  /// Whether everything was read once.
  var isSynced: Bool { state.withLock { $0.freshness.isSynced } }

  /// Whether all of these orders hold here.
  func holds(_ orders: Set<String>) -> Bool { state.withLock { orders.isSubset(of: $0.held.keys) } }

  /// - Parameter moment: of ``clock``, before the request that renewed it was sent.
  func renewed(at moment: Duration) {
    state.withLock { $0.freshness.renewed(at: moment) }
    changes.give(if: isTurning)
  }

  func renewalFailed(_ error: PalanaError) { state.withLock { $0.freshness.renewalFailed(error) } }

  // MARK: Answers to kill orders

  /// Says in each order that it holds here, until it stands there.
  private func answer() async {
    for await _ in orders.stream {
      var isMissing = false
      for order in state.withLock({ $0.held.values.filter { !$0.isAnswered } }) {
        var object = KubeObject(ClusterKinds.orders, name: order.name)
        object.setMetadata("uid", .string(order.uid))
        let entry = KillOrderStatus.Entry(plane: .gateway, by: source.gateway, at: order.at)
        do {
          object["status"] = try JSONValue(encoding: KillOrderStatus(planes: [entry]))
          _ = try await source.client.apply(ClusterKinds.orders, object, subresource: "status")
          state.withLock { $0.held[order.uid]?.isAnswered = true }
          logger.notice("a kill order holds", metadata: ["order": "\(order.name)"])
        } catch {
          // One that is gone is told of by the watch.
          logger.warning("a kill order could not be answered", metadata: ["order": "\(order.name)", "error": "\(error)"])
          isMissing = true
        }
      }
      if isMissing {
        guard (try? await Task.sleep(for: .seconds(1))) != nil else { return }
        orders.give()
      }
    }
  }

  // MARK: What is watched

  private static let collections: [KubeResource] = [
    ClusterKinds.agents, ClusterKinds.templates, ClusterKinds.policies, ClusterKinds.bindings, ClusterKinds.orders, ClusterKinds.pods,
    KubernetesManifest.Kind.namespace.resource,
  ]

  private var watches: [@Sendable () async -> Void] {
    let gateway = source.gateway
    return [
      watch(ClusterKinds.orders, keep: { ClusterOrder($0, gateway: gateway) }) { $0.put(order: $1.name, $2) },
      watch(ClusterKinds.agents, keep: { ClusterAgent($0) }) { $0.put(agent: $1, $2) },
      watch(ClusterKinds.templates, keep: { .some(ObjectReading.read($0, as: AgentTemplate.self)) }) { $0.put(template: $1.name, $2) },
      watch(ClusterKinds.policies, keep: { ClusterPolicy($0) }) { $0.put(policy: $1.name, $2) },
      watch(ClusterKinds.bindings, keep: { ClusterBinding($0) }) { $0.put(binding: $1, $2) },
      watch(ClusterKinds.pods, labels: AgentLabels.selector, keep: { ClusterPod($0) }) { $0.put(pod: $1, $2) },
      watch(
        KubernetesManifest.Kind.namespace.resource, labels: AgentLabels.selector, keep: { $0.annotations[AgentLabels.agentUID] }
      ) { $0.put(namespace: $1.name, agentUID: $2) },
    ]
  }

  private func watch<Value: Sendable>(
    _ resource: KubeResource, labels: String? = nil, keep: @escaping @Sendable (KubeObject) -> Value?,
    put: @escaping @Sendable (inout ClusterPicture, ObjectKey, Value?) -> Bool
  ) -> @Sendable () async -> Void {
    var options = Watcher.Options()
    options.silence = Self.silence
    let name = "\(resource)"
    let informer = Informer(Watcher(source.client, resource, Selection(labels: labels), options: options), keep: keep)
    return { [self] in
      await informer.run(
        onSync: { self.take { $0.freshness.synced(name) } },
        onFailure: { error in
          self.state.withLock { $0.freshness.failed(name, error.palana, now: self.clock.now()) }
          self.logger.warning("a watch failed", metadata: ["resource": "\(name)", "error": "\(error.message)"])
        },
        onChange: { change in
          self.state.withLock { $0.freshness.heard(name) }
          let isChanged = self.state.withLock { put(&$0.picture, change.key, change.new) }
          self.changes.give(if: isChanged)
        })
    }
  }

  private func take(_ change: (inout State) -> Void) {
    state.withLock { change(&$0) }
    changes.give()
  }
}

/// Wakes one who waits; what is given while nobody waits is given once.
private struct Signal: Sendable {
  let stream: AsyncStream<Void>
  private let continuation: AsyncStream<Void>.Continuation

  init() { (stream, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

  func give(if isGiven: Bool = true) { if isGiven { continuation.yield(()) } }
}

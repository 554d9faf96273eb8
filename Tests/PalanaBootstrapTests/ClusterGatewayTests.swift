import KubeTestServer
import Logging
import PalanaAPI
import PalanaCore
import PalanaEgress
import PalanaKube
import PalanaManifests
import PalanaOperator
import PalanaPolicy
import ServiceLifecycle
import Synchronization
import Testing

@testable import PalanaBootstrap

/// What a gateway follows and what it tells its cluster, against a real API server, with a clock of the test's own.
@Suite("Kubernetes gateway picture", .enabled(if: KubeTestServer.real.isPresent), .serialized, .timeLimit(.minutes(5)))
struct ClusterGatewayTests {
  private static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

  private final class World: Sendable {
    let admin: KubeClient
    let source: ClusterSource
    let now = Mutex(Duration.seconds(1_000))

    init(_ admin: KubeClient, _ source: ClusterSource) {
      self.admin = admin
      self.source = source
    }

    var clock: MonotonicClock { MonotonicClock { self.now.withLock { $0 } } }
    func pass(_ time: Duration) { now.withLock { $0 += time } }

    func follower() -> ClusterFollower {
      ClusterFollower(
        source, book: PolicyBook(guardrails: [], trustsVersions: true, logger: quiet), proxyToken: { Redacted("token of \($0)") },
        killed: { _ in }, clock: clock, logger: quiet, apply: { _ in })
    }

    func lease(_ lease: GatewayLease) async throws -> KubeObject? {
      try await admin.find(LeaderElection.leases, lease.name, in: source.namespace)
    }
  }

  private static func run(_ body: @escaping @Sendable (World) async throws -> Void) async throws {
    var configuration = LocalConfiguration.Gateway.Cluster()
    configuration.kubeconfig = try await KubeTestServer.real.path()
    configuration.podName = "gateway-\(RandomToken.hex(bytes: 4))"
    configuration.namespace = "t-\(RandomToken.hex(bytes: 4))"
    let source = try await ClusterSource(configuration)
    let world = World(KubeClient(source.server, fieldManager: "test"), source)
    let result: Result<Void, any Error>
    do { result = .success(try await prepared(world, body)) } catch { result = .failure(error) }
    await source.server.close()
    try result.get()
  }

  private static func prepared(_ world: World, _ body: (World) async throws -> Void) async throws {
    let definitions = KubeResource(
      "apiextensions.k8s.io", "v1", "customresourcedefinitions", kind: "CustomResourceDefinition", isNamespaced: false)
    for definition in CustomResourceDefinition.all { _ = try await world.admin.apply(definitions, KubeObject(definition)) }
    for kind in [ClusterKinds.agents, ClusterKinds.orders, ClusterKinds.bindings, ClusterKinds.templates, ClusterKinds.policies] {
      while (try? await world.admin.list(kind)) == nil { try await Task.sleep(for: .milliseconds(50)) }
    }
    let namespaces = KubeResource("", "v1", "namespaces", kind: "Namespace", isNamespaced: false)
    _ = try await world.admin.apply(namespaces, KubeObject(namespaces, name: world.source.namespace))
    let result: Result<Void, any Error>
    do { result = .success(try await body(world)) } catch { result = .failure(error) }
    _ = try? await world.admin.delete(namespaces, world.source.namespace)
    try result.get()
  }

  private static func until(_ condition: () async throws -> Bool) async throws {
    while !(try await condition()) { try await Task.sleep(for: .milliseconds(20)) }
  }

  /// Nothing happens in the cluster but that time goes by.
  @Test func timeAloneClosesAndARenewalOpens() async throws {
    try await Self.run { world in
      let follower = world.follower()
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await follower.run() }
        try await Self.until { follower.isSynced }
        guard case .withheld(let error) = follower.health else {
          Issue.record("something is allowed without a lease")
          return
        }
        #expect(error.message.contains("lease"))
        follower.renewed(at: world.clock.now())
        try await Self.until { if case .current = follower.health { true } else { false } }
        world.pass(world.source.patience)
        try await Self.until { if case .withheld = follower.health { true } else { false } }
        follower.renewed(at: world.clock.now())
        try await Self.until { if case .current = follower.health { true } else { false } }
        // A renewal that was sent long ago is as old as that, whenever its answer came.
        world.pass(world.source.patience * 2)
        follower.renewed(at: world.clock.now() - world.source.patience)
        try await Self.until { if case .withheld = follower.health { true } else { false } }
        group.cancelAll()
      }
    }
  }

  /// A lease says that every order that there was holds here. It is given back at the end.
  @Test func theLeaseComesAfterTheOrders() async throws {
    try await Self.run { world in
      var order = KubeObject(ClusterKinds.orders, name: "kill-\(RandomToken.hex(bytes: 4))")
      // Of nobody else's agents: the server is that of other suites as well.
      order["spec"] = [
        "target": ["owner": .string(world.source.gateway)], "reason": "a test", "by": "sec@example.com", "at": "2026-11-27T10:00:00Z",
      ]
      let made = try await world.admin.create(ClusterKinds.orders, order)
      let follower = world.follower()
      let lease = GatewayLease(source: world.source, follower: follower, clock: world.clock, logger: Self.quiet)
      let group = ServiceGroup(
        configuration: .init(services: [.init(service: follower), .init(service: lease)], logger: Self.quiet))
      try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask { try await group.run() }
        try await Self.until { if case .current = follower.health { true } else { false } }
        #expect(follower.holds([made.uid]))
        let written = try #require(try await world.lease(lease))
        #expect(written.labels[GatewayLease.label] == "true")
        #expect(written["spec"]?["holderIdentity"]?.string == world.source.gateway)
        #expect(written["spec"]?["leaseDurationSeconds"]?.int == Int(world.source.patience.components.seconds) + 2)
        try await Self.until {
          let planes = try await world.admin.get(ClusterKinds.orders, order.name)["status"]?["planes"]?.array ?? []
          return planes.contains { $0["plane"] == "gateway" && $0["by"]?.string == world.source.gateway }
        }
        await group.triggerGracefulShutdown()
        try await tasks.waitForAll()
        #expect(try await world.lease(lease) == nil)
      }
      _ = try await world.admin.delete(ClusterKinds.orders, order.name)
    }
  }
}

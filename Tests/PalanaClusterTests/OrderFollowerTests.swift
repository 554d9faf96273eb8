import PalanaAPI
import PalanaControlAPI
import PalanaCore
import PalanaKube
import Testing

@testable import PalanaCluster

@Suite(.enabled(if: TestServer.isPresent)) struct OrderFollowerTests {
  private static let leases = KubeResource("coordination.k8s.io", "v1", "leases", kind: "Lease")

  /// An installation of its own with gateways, and an order that is about nobody.
  private func with(
    gateways: [(pod: String, isAlive: Bool)],
    _ body: @escaping @Sendable (ClusterStores, KubeClient, String, KillOrder) async throws -> Void
  ) async throws {
    let mark = RandomToken.hex(bytes: 4)
    let namespace = "installation-\(mark)"
    try await TestServer.withStores { stores in
      let admin = stores.client
      _ = try await admin.create(TestServer.namespaces, KubeObject(TestServer.namespaces, name: namespace))
      for gateway in gateways {
        var lease = KubeObject(Self.leases, namespace: namespace, name: "palana-gateway-\(gateway.pod)")
        lease.setMetadata("labels", ["palana.dev/gateway": "true"])
        let renewed = WallClock.system.now() + (gateway.isAlive ? .zero : .seconds(-600))
        lease["spec"] = [
          "holderIdentity": .string(gateway.pod), "leaseDurationSeconds": 60, "renewTime": .string(renewed.description),
        ]
        _ = try await admin.create(Self.leases, lease)
      }
      let order = try await stores.store(for: .platform).create(
        KillOrder(
          metadata: ObjectMeta(name: try ResourceName("kill-\(mark)")),
          spec: KillOrderSpec(
            target: .owner(try UserIdentity("nobody-\(mark)")), reason: "test", by: try UserIdentity("admin"), at: WallClock.system.now())))
      try await body(stores, admin, namespace, order)
      try await admin.delete(KillOrderSpec.kube, order.metadata.name.text)
    }
  }

  /// As each plane does it: the fields of one entry, under a manager of its own.
  private func answer(_ client: KubeClient, _ order: KillOrder, _ plane: String, by who: String, error: String? = nil) async throws {
    var client = client
    client.fieldManager = "\(who)-\(plane)"
    var object = KubeObject(KillOrderSpec.kube, name: order.metadata.name.text)
    var entry: JSONObject = ["plane": .string(plane), "by": .string(who), "at": .string(WallClock.system.now().description)]
    if let error { entry["error"] = .string(error) }
    object["status"] = ["planes": [.object(entry)]]
    _ = try await client.apply(KillOrderSpec.kube, object, subresource: "status")
  }

  @Test func everyLivingGatewayAndTheOperatorAreWaitedFor() async throws {
    try await with(gateways: [("a", true), ("b", true), ("dead", false)]) { stores, admin, namespace, order in
      let follower = OrderFollower(stores, namespace: namespace, patience: .seconds(60))
      async let report = follower.follow(order, accepted: .now)
      for (plane, who) in [
        ("gateway", "a"), ("network", "operator"), ("credentials", "operator"), ("gateway", "b"), ("compute", "operator"),
      ] {
        try await answer(admin, order, plane, by: who)
      }
      let planes = await report
      #expect(planes.map(\.name) == ["compute", "gateway/a", "gateway/b", "network", "secrets"])
      #expect(planes.allSatisfy { $0.error == nil && $0.milliseconds > 0 })
    }
  }

  @Test func whoDoesNotAnswerIsNamed() async throws {
    try await with(gateways: [("a", true), ("b", true)]) { stores, admin, namespace, order in
      try await answer(admin, order, "gateway", by: "a")
      try await answer(admin, order, "network", by: "operator", error: "the API server is busy")
      try await answer(admin, order, "credentials", by: "operator")
      let planes = await OrderFollower(stores, namespace: namespace, patience: .seconds(2)).follow(order, accepted: .now)
      let errors = Dictionary(uniqueKeysWithValues: planes.map { ($0.name, $0.error) })
      #expect(errors["gateway/a"] == .some(nil) && errors["secrets"] == .some(nil))
      #expect(errors["network"] == "the API server is busy")
      for name in ["gateway/b", "compute"] {
        #expect(errors[name]??.hasPrefix("no answer within 2 seconds") == true, "\(name)")
      }
    }
  }

  @Test func withoutAGatewayThatIsSaid() async throws {
    try await with(gateways: [("dead", false)]) { stores, admin, namespace, order in
      for plane in ["network", "credentials", "compute"] { try await answer(admin, order, plane, by: "operator") }
      let planes = await OrderFollower(stores, namespace: namespace, patience: .seconds(60)).follow(order, accepted: .now)
      #expect(planes.first { $0.name == "gateway" }?.error?.contains("no gateway lives") == true)
      #expect(planes.filter { $0.error != nil }.count == 1)
      let parts = await InstallationHealth(stores, namespace: namespace).components()
      #expect(parts.map(\.name) == ["cluster", "gateways", "operator"])
      #expect(parts.map(\.isHealthy) == [true, false, false])
    }
  }

  @Test func aLeaseLivesForItsDuration() {
    let now = Timestamp(seconds: 1_000)
    func lease(_ seconds: JSONValue, _ renewed: JSONValue) -> KubeObject {
      KubeObject(["spec": ["leaseDurationSeconds": seconds, "renewTime": renewed]])
    }
    #expect(GatewayLeases.isAlive(lease(60, .string(Timestamp(seconds: 990).description)), at: now))
    #expect(GatewayLeases.isAlive(lease(60, .string(Timestamp(seconds: 937).description)), at: now), "clocks differ")
    #expect(!GatewayLeases.isAlive(lease(60, .string(Timestamp(seconds: 900).description)), at: now))
    // One that cannot be read may belong to somebody who lets agents out.
    #expect(GatewayLeases.isAlive(lease("x", .null), at: now))
  }
}

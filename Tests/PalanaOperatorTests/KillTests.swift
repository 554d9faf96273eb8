import PalanaAPI
import PalanaCore
import PalanaKube
import PalanaPlan
import Synchronization
import Testing

@testable import PalanaOperator

/// What the operator cuts for a kill order, says in it, and does again when something else undoes it. Against a real API server.
@Suite(.enabled(if: TestCluster.isPresent, "there is no Kubernetes API server"), .serialized, .timeLimit(.minutes(10)))
struct KillTests {
  private static func order(_ name: String, _ more: JSONObject = [:]) -> KubeObject {
    var order = KubeObject(ClusterKinds.orders, name: name)
    var spec: JSONObject = [
      "target": ["owner": "alice@example.com"], "reason": "a test", "by": "sec@example.com", "at": "2026-11-27T10:00:00Z",
    ]
    for (name, value) in more { spec[name] = value }
    order["spec"] = .object(spec)
    return order
  }

  /// What the operator says in an order, without its times.
  private static func said(_ client: KubeClient, _ order: String) async throws -> [String] {
    let object = try await client.get(ClusterKinds.orders, order)
    let planes = try StrictDecoder.decode(KillOrder.self, from: object.json, passesUnknown: true).status?.planes ?? []
    return planes.map { "\($0.plane.rawValue) \($0.by)\($0.error.map { " " + $0 } ?? "")" }.sorted()
  }

  @Test func anOrderSaysWhatWasDoneAndWhatIsUndoneIsDoneAgain() async throws {
    try await TestCluster.run { client, namespace in
      let home = try TestCluster.namespace(of: "demo")
      let policies = KubernetesManifest.Kind.networkPolicy.resource
      let secrets = KubernetesManifest.Kind.secret.resource
      let workloads = KubernetesManifest.Kind.statefulSet.resource
      var other = client
      other.fieldManager = "somebody"
      let stranger = other
      try await TestCluster.operating(client) {
        _ = try await client.create(ClusterKinds.agents, TestCluster.agent("demo", in: namespace))
        try await TestCluster.until("its pod is there") { try await client.find(ClusterKinds.pods, "agent-0", in: home) != nil }
        // Nobody repairs a paused agent, and a kill holds it all the same.
        _ = try await client.patch(
          ClusterKinds.agents, "demo", in: namespace, .merge(["metadata": ["annotations": ["palana.dev/paused": "true"]]]))
        _ = try await client.create(ClusterKinds.orders, Self.order("drill"))
        try await TestCluster.until("every plane is cut") {
          try await Self.said(client, "drill") == ["compute operator", "credentials operator", "network operator"]
        }
        #expect(try await client.find(ClusterKinds.pods, "agent-0", in: home) == nil)
        #expect(try await client.find(secrets, "palana-proxy", in: home) == nil)
        let first = try await client.get(ClusterKinds.orders, "drill")["status"]

        _ = try await stranger.patch(workloads, "agent", in: home, .merge(["spec": ["replicas": 1]]))
        var opening = KubeObject(policies, namespace: home, name: "open")
        opening["spec"] = ["podSelector": [:], "policyTypes": ["Egress"], "egress": [[:]]]
        _ = try await stranger.create(policies, opening)
        _ = try await stranger.patch(policies, "default-deny", in: home, .merge(["spec": ["egress": [[:]]]]))
        var secret = KubeObject(secrets, namespace: home, name: "palana-proxy")
        secret.setMetadata("labels", ["app.kubernetes.io/managed-by": "palana", "palana.dev/agent-id": "demo-0000000000"])
        _ = try await stranger.create(secrets, secret)
        try await TestCluster.until("it is cut off again") {
          let left = try await client.list(policies, Selection(namespace: home)).objects
          let workload = try await client.get(workloads, "agent", in: home)
          let token = try await client.find(secrets, "palana-proxy", in: home)
          return left.map(\.name) == ["default-deny"] && left[0]["spec"]?["egress"] == nil && workload["spec"]?["replicas"] == 0
            && token == nil
        }
        try await stranger.delete(policies, "default-deny", in: home)
        try await TestCluster.until("everything is denied again") { try await client.find(policies, "default-deny", in: home) != nil }
        // What was done stays said with its time.
        #expect(try await client.get(ClusterKinds.orders, "drill")["status"] == first)

        _ = try await client.patch(
          ClusterKinds.agents, "demo", in: namespace, .merge(["metadata": ["annotations": ["palana.dev/paused": .null]]]))
        try await client.delete(ClusterKinds.orders, "drill")
        try await TestCluster.until("everything is back") {
          guard try await client.find(secrets, "palana-proxy", in: home) != nil, try await client.find(policies, "paths", in: home) != nil
          else { return false }
          return try await client.find(ClusterKinds.pods, "agent-0", in: home) != nil
        }
      }
    }
  }

  @Test func anOrderMayLetTheProcessRun() async throws {
    try await TestCluster.run { client, namespace in
      let home = try TestCluster.namespace(of: "demo")
      try await TestCluster.operating(client) {
        _ = try await client.create(ClusterKinds.agents, TestCluster.agent("demo", in: namespace))
        try await TestCluster.until("its pod is there") { try await client.find(ClusterKinds.pods, "agent-0", in: home) != nil }
        let pod = try await client.get(ClusterKinds.pods, "agent-0", in: home).uid
        _ = try await client.create(ClusterKinds.orders, Self.order("look", ["stop": false]))
        try await TestCluster.until("the rest is cut") {
          try await Self.said(client, "look") == ["credentials operator", "network operator"]
        }
        try await TestCluster.until("it says so") { try await TestCluster.phase(client, "demo", in: namespace) == "Killed" }
        #expect(try await client.get(ClusterKinds.pods, "agent-0", in: home).uid == pod)
        // Another order ends it after all.
        _ = try await client.create(ClusterKinds.orders, Self.order("end"))
        try await TestCluster.until("it is ended") {
          try await Self.said(client, "end") == ["compute operator", "credentials operator", "network operator"]
        }
        #expect(try await client.find(ClusterKinds.pods, "agent-0", in: home) == nil)
      }
    }
  }

  @Test func whatCannotBeCutIsSaid() async throws {
    try await TestCluster.run { client, namespace in
      let home = try TestCluster.namespace(of: "demo")
      let refused = Mutex(true)
      let cluster = WatchedWrites(client) { _, write in
        refused.withLock { $0 } && write == "merge statefulsets.apps \(home)/agent" ? KubeError(.forbidden, status: 403, "not today") : nil
      }
      try await TestCluster.operating(client, cluster) {
        _ = try await client.create(ClusterKinds.agents, TestCluster.agent("demo", in: namespace))
        try await TestCluster.until("its pod is there") { try await client.find(ClusterKinds.pods, "agent-0", in: home) != nil }
        _ = try await client.create(ClusterKinds.orders, Self.order("drill"))
        try await TestCluster.until("the failure is said, and the rest is done") {
          try await Self.said(client, "drill")
            == ["compute operator \(namespace)/demo: not today", "credentials operator", "network operator"]
        }
        refused.withLock { $0 = false }
        try await TestCluster.until("it is done") {
          try await Self.said(client, "drill") == ["compute operator", "credentials operator", "network operator"]
        }
      }
    }
  }
}

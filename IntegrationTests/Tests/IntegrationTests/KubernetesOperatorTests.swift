import Foundation
import Testing

/// `palanad operator` with a real API server and its controllers. There is no kubelet: where a pod has to run, the test says that it does.
@Suite(.enabled(if: KubernetesCluster.isPresent, "there is no Kubernetes API server"), .serialized, .timeLimit(.minutes(10)))
struct KubernetesOperatorTests {
  private static let example = Checkout.root + "Examples/kubernetes/agent.yaml"

  /// What stands in the namespace of an agent, by the path of its collection.
  static func made(_ home: String, hasPorts: Bool = true) -> [String: Set<String>] {
    let (core, apps) = ("/api/v1/namespaces/\(home)/", "/apis/apps/v1/namespaces/\(home)/")
    let (network, rights) = ("/apis/networking.k8s.io/v1/namespaces/\(home)/", "/apis/rbac.authorization.k8s.io/v1/namespaces/\(home)/")
    var made: [String: Set<String>] = [
      network + "networkpolicies": ["default-deny", "paths"], core + "resourcequotas": ["agent"], core + "limitranges": ["agent"],
      core + "serviceaccounts": ["agent"], rights + "roles": ["agent-owner"], rights + "rolebindings": ["agent-owner"],
      core + "configmaps": ["palana-ca"], core + "secrets": ["palana-proxy"], core + "persistentvolumeclaims": ["data"],
      apps + "statefulsets": ["agent"],
    ]
    if hasPorts { made[core + "services"] = ["agent"] }
    return made
  }

  @Test func anExampleComesAndGoes() async throws {
    try await KubernetesCluster.started { cluster in
      try await cluster.apply(String(contentsOfFile: Self.example, encoding: .utf8))
      let palanad = try OperatorProcess(cluster)
      try await waitUntil("everything is applied") { try await cluster.areApplied(["demo", "reader"]) }
      let home = try #require(try await cluster.home("demo"))
      func names(_ path: String) async throws -> Set<String> {
        Set(try await cluster.list(path).compactMap { $0["metadata"]["name"].string })
      }
      for (path, wanted) in Self.made(home) {
        let found = try await names(path)
        #expect(found.isSuperset(of: wanted), "\(path): \(found)")
      }
      #expect(try await names("/apis/networking.k8s.io/v1/namespaces/\(home)/networkpolicies") == ["default-deny", "paths", "peers"])
      let space = try await cluster.get("/api/v1/namespaces/\(home)")?["metadata"]
      #expect(space?["annotations"]["palana.dev/owner"].string == "alice@example.com")

      // What `kubectl get agents -A` shows.
      let pod = "/api/v1/namespaces/\(home)/pods/agent-0"
      try await waitUntil("its pod waits for a node") { try await cluster.get(pod) != nil }
      try await cluster.merge(
        pod + "/status",
        """
        {"status": {"phase": "Running", "podIP": "10.244.1.9", "podIPs": [{"ip": "10.244.1.9"}], "containerStatuses": [{"name": "agent",
        "ready": true, "restartCount": 2, "image": "x", "imageID": "x", "state": {"running": {"startedAt": "2026-11-27T10:00:00Z"}}}]}}
        """)
      try await waitUntil("it runs") {
        try await cluster.get(KubernetesCluster.agent("demo"))?["status"]["phase"].string == "Running"
      }
      let rows = try await Self.table(cluster)
      let demo = try #require(rows.first { $0["Name"] == "demo" })
      let shown = [
        "Name": "demo", "Phase": "Running", "Owner": "alice@example.com", "Template": "python-server", "Address": "10.244.1.9",
        "Restarts": "2",
      ]
      for (column, value) in shown { #expect(demo[column] == value, "\(demo)") }
      #expect(demo["Age"]?.isEmpty == false && rows.count == 2)

      // With its data.
      try await cluster.merge(KubernetesCluster.agent("demo"), #"{"metadata": {"annotations": {"palana.dev/purge": "true"}}}"#)
      for name in ["demo", "reader"] { try await cluster.delete(KubernetesCluster.agent(name)) }
      try await waitUntil("the agents are gone") { try await cluster.list(KubernetesCluster.palana + "agents").isEmpty }
      #expect(try await cluster.get("/api/v1/namespaces/\(home)") == nil)
      let kept = try #require(try await cluster.home("reader"))
      for (path, gone) in Self.made(kept) where !path.hasSuffix("persistentvolumeclaims") {
        let found = try await names(path)
        #expect(found.isDisjoint(with: gone), "\(path): \(found)")
      }
      #expect(try await names("/api/v1/namespaces/\(kept)/persistentvolumeclaims") == ["data"])
      #expect(try await palanad.stop() == 0)
    }
  }

  /// Rows by the names of their columns, as the server makes them for whoever prints tables.
  private static func table(_ cluster: KubernetesCluster) async throws -> [[String: String]] {
    let answer = try await cluster.request(
      "GET", KubernetesCluster.palana + "agents", accept: "application/json;as=Table;v=v1;g=meta.k8s.io")
    let table = try JSON(parsing: answer.text)
    let columns = table["columnDefinitions"].array.compactMap { $0["name"].string }
    return table["rows"].array.map { row in
      var cells: [String: String] = [:]
      for (column, cell) in zip(columns, row["cells"].array) {
        cells[column] = cell.string ?? cell.number.map { String(Int($0)) } ?? ""
      }
      return cells
    }
  }

  @Test func anEditIsUndoneAndWrittenDown() async throws {
    try await KubernetesCluster.started { cluster in
      try await cluster.apply(String(contentsOfFile: Self.example, encoding: .utf8))
      let palanad = try OperatorProcess(cluster)
      try await waitUntil("everything is applied") { try await cluster.areApplied(["demo", "reader"]) }
      let home = try #require(try await cluster.home("demo"))
      let policy = "/apis/networking.k8s.io/v1/namespaces/\(home)/networkpolicies/paths"
      let before = try await cluster.get(policy)?["spec"]
      let begun = ContinuousClock.now
      try await cluster.merge(policy, #"{"spec": {"egress": [{}]}}"#, as: "kubectl-edit")
      try await waitUntil("the policy is as it was") { try await cluster.get(policy)?["spec"] == before }
      #expect(.now - begun < .seconds(10))
      try await waitUntil("it is written down") { try palanad.trail().contains { $0["action"].string == "repair" } }
      let event = try #require(try palanad.trail().first { $0["action"].string == "repair" })
      #expect(event["component"].string == "lifecycle" && event["reason"].string == "drift")
      #expect(event["agent"]["owner"].string == "alice@example.com" && event["agent"]["name"].string == "demo")
      let details = event["details"]
      #expect(details["kind"].string == "NetworkPolicy" && details["name"].string == "paths" && details["namespace"].string == home)
      #expect(details["changedBy"].string == "kubectl-edit" && details["fields"].string?.contains("spec.egress") == true)
      #expect(try palanad.trail().filter { $0["action"].string == "repair" }.count == 1)
      try await waitUntil("people are told") {
        try await cluster.list("/apis/events.k8s.io/v1/namespaces/people-alice/events").contains { $0["reason"].string == "Repaired" }
      }
      #expect(try await palanad.stop() == 0)
    }
  }
}

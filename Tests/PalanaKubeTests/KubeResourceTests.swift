import PalanaCore
import Testing

@testable import PalanaKube

@Suite struct KubeResourceTests {
  private let pods = KubeResource("", "v1", "pods", kind: "Pod")
  private let policies = KubeResource("networking.k8s.io", "v1", "networkpolicies", kind: "NetworkPolicy")
  private let roles = KubeResource("rbac.authorization.k8s.io", "v1", "clusterroles", kind: "ClusterRole", isNamespaced: false)

  @Test func paths() throws {
    #expect(try pods.path(namespace: nil) == "/api/v1/pods")
    #expect(try pods.path(namespace: "a", name: "b", subresource: "log") == "/api/v1/namespaces/a/pods/b/log")
    #expect(try policies.path(namespace: "a", name: "b") == "/apis/networking.k8s.io/v1/namespaces/a/networkpolicies/b")
    // The names of roles may hold what has to be written otherwise in a path.
    #expect(
      try roles.path(namespace: "ignored", name: "system:node ü?#")
        == "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode%20%C3%BC%3F%23")
  }

  @Test(arguments: ["", ".", "..", "a/b", "../secrets/x", "a%2Fb", "%2e%2e"])
  func namesThatWouldLeaveTheirPlace(name: String) {
    #expect(throws: KubeError.self) { try pods.path(namespace: "a", name: name) }
    #expect(throws: KubeError.self) { try pods.path(namespace: name, name: "b") }
  }

  @Test func queriesAreEscaped() {
    #expect(URLText.query([("labelSelector", "a=b,c in (d)"), ("x", "&")]) == "?labelSelector=a%3Db%2Cc%20in%20%28d%29&x=%26")
    #expect(URLText.query([]) == "")
  }

  @Test func metadata() {
    var object = KubeObject(pods, namespace: "a", name: "b")
    #expect(object.key == ObjectKey(namespace: "a", name: "b") && object.apiVersion == "v1" && !object.isDeleting)
    object.setMetadata("labels", ["x": "y"])
    object.setMetadata("deletionTimestamp", "2026-01-01T00:00:00Z")
    #expect(object.labels == ["x": "y"] && object.isDeleting)
    #expect(KubeObject(.null).name == "" && KubeObject("text").labels == [:])
  }
}

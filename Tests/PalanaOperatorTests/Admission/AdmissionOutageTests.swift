import NIOHTTP1
import PalanaAPI
import PalanaCore
import PalanaKube
import PalanaPlan
import Testing

@testable import PalanaOperator

extension AdmissionTests {
  /// Nobody serves the webhooks: what concerns agents waits, a kill does not, and the rest of the cluster does not notice.
  @Test func withoutTheWebhooksOnlyAgentsWait() async throws {
    try await AdmissionBench.run { bench in
      let home = try await bench.agentNamespace()
      _ = try await bench.engine.create(ClusterKinds.pods, AdmissionBench.pod("agent-0", in: home))
    } afterwards: { bench in
      let home = try TestCluster.namespace(of: "demo")
      let alice = bench.person(AdmissionBench.alice)
      let down = await AdmissionBench.refusal {
        _ = try await alice.create(ClusterKinds.agents, TestCluster.agent("demo", in: bench.namespace))
      }
      #expect(down?.contains("failed calling webhook") == true)
      let pod = await AdmissionBench.refusal { _ = try await alice.create(ClusterKinds.pods, AdmissionBench.pod("x", in: home)) }
      #expect(pod?.contains("failed calling webhook") == true)
      // The others.
      _ = try await alice.create(ClusterKinds.pods, AdmissionBench.pod("free", in: bench.namespace, ["serviceAccountName": "default"]))
      let namespaces = KubernetesManifest.Kind.namespace.resource
      let maps = KubernetesManifest.Kind.configMap.resource
      _ = try await alice.create(maps, KubeObject(maps, namespace: home, name: "any"))
      _ = try await alice.create(namespaces, KubeObject(namespaces, name: bench.namespace + "-other"))
      try await bench.client.delete(namespaces, bench.namespace + "-other")
      // A pod that is there can end, and the operator goes on.
      try await alice.delete(ClusterKinds.pods, "agent-0", in: home, grace: 0)
      _ = try await bench.engine.create(ClusterKinds.agents, TestCluster.agent("by-engine", in: bench.namespace))
      // A kill gets through, in one's own name.
      var order = KubeObject(ClusterKinds.orders, name: "down")
      order["spec"] = [
        "target": ["owner": .string(AdmissionBench.alice)], "reason": "test", "by": .string(AdmissionBench.alice),
        "at": "2026-01-01T00:00:00Z",
      ]
      _ = try await alice.create(ClusterKinds.orders, order)
      order.setMetadata("name", "others")
      #expect(
        await AdmissionBench.refusal { _ = try await bench.person(AdmissionBench.bob).create(ClusterKinds.orders, order) }?.contains(
          "spec.by must be you") == true)
    }
  }

  /// The second line alone: no webhook is registered any more.
  @Test func thePoliciesHoldAlone() async throws {
    try await AdmissionBench.run { bench in
      _ = try await bench.agentNamespace()
    } afterwards: { bench in
      let home = try TestCluster.namespace(of: "demo")
      let (alice, bob) = (bench.person(AdmissionBench.alice), bench.person(AdmissionBench.bob))
      for resource in [RegistrationKinds.mutating, RegistrationKinds.validating] { try await bench.client.delete(resource, "palana") }
      try await TestCluster.until("no webhook is called") {
        await AdmissionBench.refusal {
          _ = try await alice.create(ClusterKinds.agents, TestCluster.agent("probe", in: bench.namespace), dryRun: true)
        } == nil
      }
      func isRefused(_ words: String, by person: KubeClient = alice, _ body: (KubeClient) async throws -> Void) async {
        let answer = await AdmissionBench.refusal { try await body(person) }
        #expect(
          answer?.contains(words) == true && answer?.contains("ValidatingAdmissionPolicy") == true, "\(words): \(answer ?? "allowed")")
      }
      await isRefused("spec.owner must be you", by: bob) {
        _ = try await $0.create(ClusterKinds.agents, TestCluster.agent("x", in: bench.namespace))
      }
      await isRefused("spec.owner must be you") {
        _ = try await $0.create(ClusterKinds.agents, TestCluster.agent("x", in: bench.namespace, ["owner": .null]))
      }
      _ = try await alice.create(ClusterKinds.agents, TestCluster.agent("demo", in: bench.namespace))
      _ = try await bench.client.create(ClusterKinds.agents, TestCluster.agent("by-admin", in: bench.namespace))
      func note(_ name: String) -> KubePatch { .merge(["metadata": ["annotations": .texts([name: "true"])]]) }
      await isRefused("annotations of palana.dev") {
        _ = try await $0.patch(ClusterKinds.agents, "demo", in: bench.namespace, note("palana.dev/paused"))
      }
      _ = try await alice.patch(ClusterKinds.agents, "demo", in: bench.namespace, note("palana.dev/purge"))
      _ = try await bench.client.patch(ClusterKinds.agents, "demo", in: bench.namespace, note("palana.dev/paused"))
      await isRefused("annotations of palana.dev") {
        _ = try await $0.patch(
          ClusterKinds.agents, "demo", in: bench.namespace, .merge(["metadata": ["annotations": ["palana.dev/paused": .null]]]))
      }
      await isRefused("only the platform writes a status") {
        _ = try await $0.patch(
          ClusterKinds.agents, "demo", in: bench.namespace, .merge(["status": ["phase": "Stopped"]]), subresource: "status")
      }
      // Pods.
      let good = try OwnPod.pod()
      func pod(_ path: String, _ value: JSONValue?) -> KubeObject {
        var object = KubeObject(good.setting("metadata.name", "x"))
        object["spec"]?.drop(["hostname", "subdomain", "priority", "preemptionPolicy"])
        return KubeObject(object.json.setting(path, value))
      }
      _ = try await alice.create(ClusterKinds.pods, pod("metadata.name", "agent-0"))
      for (path, value, words) in [
        ("spec.hostNetwork", true, "shares nothing"), ("spec.hostPID", true, "shares nothing"), ("spec.hostIPC", true, "shares nothing"),
        ("spec.automountServiceAccountToken", true, "automountServiceAccountToken"),
        ("spec.serviceAccountName", "default", "serviceAccountName"),
        ("spec.volumes[4]", ["name": "x", "hostPath": ["path": "/"]], "volumes"),
        ("spec.volumes[4]", ["name": "x", "secret": ["secretName": "other"]], "volumes"),
        ("spec.volumes[4]", ["name": "x", "projected": ["sources": [["serviceAccountToken": ["path": "t"]]]]], "volumes"),
        ("spec.securityContext.runAsUser", 0, "not root"),
        ("spec.securityContext.sysctls", [["name": "kernel.msgmax", "value": "1"]], "kernel"),
        ("spec.securityContext.seccompProfile.type", "Unconfined", "not root"),
        ("spec.containers[0].securityContext.runAsUser", 0, "not root"),
        ("spec.containers[0].securityContext.capabilities.add", ["NET_RAW"], "capabilities"),
        ("spec.containers[0].securityContext.allowPrivilegeEscalation", nil, "allowPrivilegeEscalation"),
        ("spec.containers[0].ports", [["containerPort": 80, "hostPort": 80]], "port of its node"),
        (
          "spec.initContainers", [["name": "i", "image": "x", "securityContext": ["privileged": true, "allowPrivilegeEscalation": true]]],
          "never privileged"
        ),
      ] as [(String, JSONValue?, String)] {
        await isRefused(words) { _ = try await $0.create(ClusterKinds.pods, pod(path, value).accounted) }
      }
      // Where the server itself would let it.
      await isRefused("procMount") {
        let own = pod("spec.hostUsers", false).json
        _ = try await $0.create(ClusterKinds.pods, KubeObject(own.setting("spec.containers[0].securityContext.procMount", "Unmasked")))
      }
      await isRefused("puts a container into") {
        _ = try await $0.patch(
          ClusterKinds.pods, "agent-0", in: home, .strategic(["spec": ["ephemeralContainers": [["name": "debug", "image": "x"]]]]),
          subresource: "ephemeralcontainers")
      }
      await isRefused("come in", by: bob) {
        _ = try await $0.json(.POST, "/api/v1/namespaces/\(home)/pods/agent-0/exec?command=sh&stdout=true")
      }
      // The installation's own.
      let namespaces = KubernetesManifest.Kind.namespace.resource
      await isRefused("only the operator makes and labels it") {
        _ = try await $0.patch(namespaces, home, .merge(["metadata": ["labels": ["pod-security.kubernetes.io/enforce": .null, "x": "y"]]]))
      }
      await isRefused("only the operator makes and labels it") {
        _ = try await $0.create(namespaces, KubeObject(namespaces, name: try TestCluster.namespace(of: "invented")))
      }
      var template = KubeObject(ClusterKinds.templates, name: "open")
      template["spec"] = ["image": "example.com/x:1"]
      await isRefused("only the platform and its administrators write this") { _ = try await $0.create(ClusterKinds.templates, template) }
      var order = KubeObject(ClusterKinds.orders, name: "mine")
      order["spec"] = [
        "target": ["owner": .string(AdmissionBench.alice)], "reason": "test", "by": .string(AdmissionBench.alice),
        "at": "2026-01-01T00:00:00Z",
      ]
      _ = try await alice.create(ClusterKinds.orders, order)
      await isRefused("taken back by platform administrators only") { try await $0.delete(ClusterKinds.orders, "mine") }
      order.setMetadata("name", "all")
      order["spec"] = ["target": ["all": true], "reason": "test", "by": .string(AdmissionBench.alice), "at": "2026-01-01T00:00:00Z"]
      await isRefused("your own agents") { _ = try await $0.create(ClusterKinds.orders, order) }
    }
  }
}

extension JSONValue {
  fileprivate mutating func drop(_ names: [String]) {
    guard case .object(var members) = self else { return }
    for name in names { members[name] = nil }
    self = .object(members)
  }
}

extension KubeObject {
  /// Both members that name the account say the same, or the API server refuses it by itself.
  fileprivate var accounted: KubeObject {
    KubeObject(json.setting("spec.serviceAccount", json["spec"]?["serviceAccountName"]))
  }
}

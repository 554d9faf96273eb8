import Logging
import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaKube
import PalanaPlan
import Testing

@testable import PalanaOperator

/// What the operator does, against a real API server with its controllers. There is no kubelet: tests say what a pod does.
@Suite(.enabled(if: TestCluster.isPresent, "there is no Kubernetes API server"), .serialized, .timeLimit(.minutes(10)))
struct OperatorTests {
  private static let made: [(KubernetesManifest.Kind, String)] = [
    (.networkPolicy, "default-deny"), (.networkPolicy, "paths"), (.resourceQuota, "agent"), (.limitRange, "agent"),
    (.serviceAccount, "agent"), (.role, "agent-owner"), (.roleBinding, "agent-owner"), (.configMap, "palana-ca"),
    (.secret, "palana-proxy"), (.persistentVolumeClaim, "data"), (.service, "agent"), (.statefulSet, "agent"), (.ingress, "agent"),
  ]

  private static func isComplete(_ client: KubeClient, _ home: String) async throws -> Bool {
    for (kind, name) in made where try await client.find(kind.resource, name, in: home) == nil { return false }
    return true
  }

  private static func isSettled(_ client: KubeClient, _ name: String, in namespace: String) async throws -> Bool {
    let conditions = try await client.find(ClusterKinds.agents, name, in: namespace)?["status"]?["conditions"]?.array
    return conditions?.contains { $0["type"] == "Applied" && $0["status"] == "True" } ?? false
  }

  @Test func everythingIsMadeOnce() async throws {
    try await TestCluster.run { client, namespace in
      let home = try TestCluster.namespace(of: "demo")
      let first = WatchedWrites(client)
      try await TestCluster.operating(client, first) {
        _ = try await client.create(ClusterKinds.agents, TestCluster.agent("demo", in: namespace))
        try await TestCluster.until("everything is there") {
          guard try await Self.isComplete(client, home) else { return false }
          return try await Self.isSettled(client, "demo", in: namespace)
        }
        try await TestCluster.until("its pod waits for a node") {
          try await client.find(ClusterKinds.pods, "agent-0", in: home) != nil
        }
      }
      // Everything was applied once; what came back from others changed nothing.
      let objects = first.writes.filter { $0.hasPrefix("apply") && !$0.contains("agents.palana.dev") }
      #expect(objects.count == Self.made.count + 1, "\(objects)")
      let space = try await client.get(KubernetesManifest.Kind.namespace.resource, home)
      #expect(space.labels["pod-security.kubernetes.io/enforce"] == "restricted")
      #expect(space.annotations["palana.dev/owner"] == "alice@example.com")
      // The standard that the namespace enforces is kept by the workload itself: its pod was admitted.
      let pod = try await client.get(ClusterKinds.pods, "agent-0", in: home)
      #expect(pod["spec"]?["automountServiceAccountToken"] == false)
      // The owner's rights, by their raw name: in this namespace to look and to work inside, and no more.
      let alice = client.impersonating(Impersonation(user: "alice@example.com"))
      #expect(try await alice.list(ClusterKinds.pods, Selection(namespace: home)).objects.count == 1)
      let refused = await #expect(throws: KubeError.self) {
        try await alice.patch(KubernetesManifest.Kind.networkPolicy.resource, "paths", in: home, .merge(["spec": ["egress": [[:]]]]))
      }
      #expect(refused?.kind == .forbidden)
      // A new operator finds everything as it is wanted.
      let second = WatchedWrites(client)
      try await TestCluster.operating(client, second) {
        _ = try await client.create(ClusterKinds.agents, TestCluster.agent("other", in: namespace))
        try await TestCluster.until("another one is there") { try await Self.isSettled(client, "other", in: namespace) }
      }
      #expect(second.writes.filter { $0.contains(home) || $0.contains("/demo") } == [])
    }
  }

  @Test func whatOthersChangeIsRepairedAndWrittenDown() async throws {
    try await TestCluster.run { client, namespace in
      let home = try TestCluster.namespace(of: "demo")
      let trail = Trail()
      var other = client
      other.fieldManager = "somebody"
      let stranger = other
      try await TestCluster.operating(client, audit: trail) {
        _ = try await client.create(ClusterKinds.agents, TestCluster.agent("demo", in: namespace))
        try await TestCluster.until("everything is there") { try await Self.isSettled(client, "demo", in: namespace) }
        func kind(_ kind: KubernetesManifest.Kind) -> KubeResource { kind.resource }
        let before = try await client.get(kind(.role), "agent-owner", in: home)["rules"]
        let attacks: [(KubernetesManifest.Kind, String, KubePatch)] = [
          (
            .role, "agent-owner",
            .json([["op": "add", "path": "/rules/-", "value": ["apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]]]])
          ),
          (.networkPolicy, "paths", .merge(["spec": ["egress": [[:]]]])),
          (.networkPolicy, "default-deny", .merge(["spec": ["podSelector": ["matchLabels": ["x": "y"]]]])),
          (.resourceQuota, "agent", .merge(["spec": ["hard": ["pods": "50"], "scopes": ["BestEffort"]]])),
          (.statefulSet, "agent", .merge(["spec": ["template": ["spec": ["hostNetwork": true]]]])),
          (.service, "agent", .merge(["spec": ["externalIPs": ["203.0.113.7"]]])),
          (.serviceAccount, "agent", .merge(["automountServiceAccountToken": true])),
          (.secret, "palana-proxy", .merge(["data": ["token": "eA=="]])),
          (.ingress, "agent", .merge(["metadata": ["annotations": ["example.com/auth-url": "https://evil.example"]]])),
          (.configMap, "palana-ca", .merge(["metadata": ["labels": ["app.kubernetes.io/managed-by": .null]]])),
        ]
        for (attacked, name, patch) in attacks {
          // Scopes of a quota never change; the rest of that attack does.
          let patch = attacked == .resourceQuota ? KubePatch.merge(["spec": ["hard": ["pods": "50"]]]) : patch
          let count = trail.events.count
          let changed = try await stranger.patch(kind(attacked), name, in: home, patch)
          let begun = ContinuousClock.now
          try await TestCluster.until("\(attacked) \(name) is written down") { trail.events.count > count }
          #expect(begun + .seconds(10) > .now)
          let event = try #require(trail.events.last)
          #expect(event.component == .lifecycle && event.action == "repair" && event.reason == "drift")
          #expect(event.details["kind"] == attacked.rawValue && event.details["name"] == name)
          let repaired = try await client.get(kind(attacked), name, in: home)
          #expect(repaired.resourceVersion != changed.resourceVersion)
        }
        #expect(try await client.get(kind(.role), "agent-owner", in: home)["rules"] == before)
        #expect(try await client.get(kind(.statefulSet), "agent", in: home)["spec"]?["template"]?["spec"]?["hostNetwork"] == nil)
        #expect(try await client.get(kind(.service), "agent", in: home)["spec"]?["externalIPs"] == nil)
        // One more policy could only open something.
        var hole = KubeObject(kind(.networkPolicy), namespace: home, name: "hole")
        hole["spec"] = ["podSelector": [:], "egress": [[:]], "policyTypes": ["Egress"]]
        _ = try await stranger.create(kind(.networkPolicy), hole)
        try await TestCluster.until("the hole is gone") { try await client.find(kind(.networkPolicy), "hole", in: home) == nil }
        // A binding to another role cannot be changed back, only made anew.
        try await client.delete(kind(.roleBinding), "agent-owner", in: home)
        try await TestCluster.until("the binding is back") { try await client.find(kind(.roleBinding), "agent-owner", in: home) != nil }
      }
    }
  }

  @Test func deletionKeepsDataUnlessPurged() async throws {
    try await TestCluster.run { client, namespace in
      let home = try TestCluster.namespace(of: "demo")
      let claims = KubernetesManifest.Kind.persistentVolumeClaim.resource
      let spaces = KubernetesManifest.Kind.namespace.resource
      try await TestCluster.operating(client) {
        _ = try await client.create(ClusterKinds.agents, TestCluster.agent("demo", in: namespace))
        try await TestCluster.until("everything is there") { try await Self.isSettled(client, "demo", in: namespace) }
        let data = try await client.get(claims, "data", in: home).uid
        try await client.delete(ClusterKinds.agents, "demo", in: namespace)
        try await TestCluster.until("the agent is gone") { try await client.find(ClusterKinds.agents, "demo", in: namespace) == nil }
        for (kind, name) in Self.made where kind != .persistentVolumeClaim {
          #expect(try await client.find(kind.resource, name, in: home) == nil, "\(kind) \(name)")
        }
        #expect(try await client.find(ClusterKinds.pods, "agent-0", in: home) == nil)
        // The next one of this owner and name has the data.
        _ = try await client.create(ClusterKinds.agents, TestCluster.agent("demo", in: namespace))
        try await TestCluster.until("it is back") { try await Self.isSettled(client, "demo", in: namespace) }
        #expect(try await client.get(claims, "data", in: home).uid == data)
        _ = try await client.patch(
          ClusterKinds.agents, "demo", in: namespace, .merge(["metadata": ["annotations": ["palana.dev/purge": "true"]]]))
        try await client.delete(ClusterKinds.agents, "demo", in: namespace)
        try await TestCluster.until("the agent is gone") { try await client.find(ClusterKinds.agents, "demo", in: namespace) == nil }
        #expect(try await client.find(spaces, home) == nil)
      }
    }
  }

  @Test func aKillTakesPathsAndProcessAway() async throws {
    try await TestCluster.run { client, namespace in
      let home = try TestCluster.namespace(of: "demo")
      let policies = KubernetesManifest.Kind.networkPolicy.resource
      try await TestCluster.operating(client) {
        // Also one that is paused, and one that cannot be planned any more.
        for name in ["demo", "paused", "broken"] {
          _ = try await client.create(ClusterKinds.agents, TestCluster.agent(name, in: namespace))
          try await TestCluster.until("\(name) is there") { try await Self.isSettled(client, name, in: namespace) }
        }
        _ = try await client.patch(
          ClusterKinds.agents, "paused", in: namespace, .merge(["metadata": ["annotations": ["palana.dev/paused": "true"]]]))
        _ = try await client.patch(ClusterKinds.agents, "broken", in: namespace, .merge(["spec": ["template": "no-such-template"]]))
        try await TestCluster.until("one cannot be planned") {
          try await TestCluster.phase(client, "broken", in: namespace) == "Failed"
        }
        var order = KubeObject(ClusterKinds.orders, name: "all-of-alice")
        order["spec"] = [
          "target": ["owner": "alice@example.com"], "reason": "a test", "by": "sec@example.com", "at": "2026-11-27T10:00:00Z",
        ]
        _ = try await client.create(ClusterKinds.orders, order)
        for name in ["demo", "paused", "broken"] {
          let home = try TestCluster.namespace(of: name)
          try await TestCluster.until("\(name) is cut off") {
            let names = try await client.list(policies, Selection(namespace: home)).objects.map(\.name)
            let workload = try await client.get(KubernetesManifest.Kind.statefulSet.resource, "agent", in: home)
            return names == ["default-deny"] && workload["spec"]?["replicas"] == 0
          }
        }
        try await TestCluster.until("it says so") { try await TestCluster.phase(client, "demo", in: namespace) == "Killed" }
        try await client.delete(ClusterKinds.orders, "all-of-alice")
        try await TestCluster.until("it is let back") { try await client.find(policies, "paths", in: home) != nil }
      }
    }
  }

  /// The reaper's part is played here.
  @Test func oneThatIsIdleRestsUntilSomebodyOpensIt() async throws {
    try await TestCluster.run { client, namespace in
      let home = try TestCluster.namespace(of: "demo")
      let workloads = KubernetesManifest.Kind.statefulSet.resource
      let slices = KubernetesManifest.Kind.endpointSlice.resource
      let trail = Trail()
      var configuration = try TestCluster.configuration()
      configuration.cluster.browser?.waker = ClusterFacts.Waker(address: .v4(0x0a01_0203), port: 8090)
      let id = AgentID(owner: try UserIdentity("alice@example.com"), name: try ResourceName("demo"))
      try await TestCluster.operating(client, configuration: configuration, audit: trail) { engine in
        _ = try await client.create(ClusterKinds.agents, TestCluster.agent("demo", in: namespace))
        try await TestCluster.until("its pod is there") { try await client.find(ClusterKinds.pods, "agent-0", in: home) != nil }
        #expect(try await client.find(slices, "agent-wake", in: home) == nil)
        #expect(await engine.wake(id) == .starting)
        let generation = try await client.get(ClusterKinds.agents, "demo", in: namespace).generation
        _ = try await client.patch(
          ClusterKinds.agents, "demo", in: namespace, .merge(["metadata": ["annotations": ["palana.dev/idle": .string("\(generation)")]]]))
        try await TestCluster.until("it rests") { try await TestCluster.phase(client, "demo", in: namespace) == "Idle" }
        #expect(try await client.get(workloads, "agent", in: home)["spec"]?["replicas"] == 0)
        #expect(try await client.find(KubernetesManifest.Kind.persistentVolumeClaim.resource, "data", in: home) != nil)
        let slice = try await client.get(slices, "agent-wake", in: home)
        #expect(slice["endpoints"]?[0]?["addresses"] == ["10.1.2.3"] && slice["ports"]?[0]?["port"] == 8090)
        // The cluster's own slices of the same service are left alone.
        try await TestCluster.until("the cluster has its slice") {
          try await client.list(slices, Selection(namespace: home)).objects.count == 2
        }
        // Somebody redirects it.
        let count = trail.events.count
        _ = try await client.patch(
          slices, "agent-wake", in: home, .merge(["endpoints": [["addresses": ["10.9.9.9"], "conditions": ["ready": true]]]]))
        try await TestCluster.until("that is written down") { trail.events.count > count }
        #expect(try await client.get(slices, "agent-wake", in: home)["endpoints"]?[0]?["addresses"] == ["10.1.2.3"])

        let nobody = AgentID(owner: try UserIdentity("bob"), name: try ResourceName("demo"))
        #expect(await engine.wake(nobody) == .unknown)
        #expect(await engine.wake(id) == .starting)
        try await TestCluster.until("its pod is back") { try await client.find(ClusterKinds.pods, "agent-0", in: home) != nil }
        try await TestCluster.until("its name leads to it again") { try await client.find(slices, "agent-wake", in: home) == nil }
        #expect(trail.events.last?.action == "wake" && trail.events.last?.agent?.id == id)
        _ = try await client.patch(ClusterKinds.agents, "demo", in: namespace, .merge(["spec": ["lifecycle": ["desired": "Stopped"]]]))
        try await TestCluster.until("it is stopped") { try await TestCluster.phase(client, "demo", in: namespace) == "Stopped" }
        #expect(await engine.wake(id) == .refused(reason: "it was stopped"))
      }
    }
  }

  /// Without a plan nobody knows what its paths should be: each stays as it was written last, or goes.
  @Test func anAgentThatCannotBePlannedIsHeldShut() async throws {
    try await TestCluster.run { client, namespace in
      let home = try TestCluster.namespace(of: "demo")
      let trail = Trail()
      let policies = KubernetesManifest.Kind.networkPolicy.resource
      let roles = KubernetesManifest.Kind.role.resource
      let spaces = KubernetesManifest.Kind.namespace.resource
      var other = client
      other.fieldManager = "somebody"
      let stranger = other
      for name in ["demo", "peer"] { _ = try await client.create(ClusterKinds.agents, TestCluster.agent(name, in: namespace)) }
      var rule = KubeObject(ClusterKinds.rules, namespace: namespace, name: "rule")
      rule["spec"] = ["owner": "alice@example.com", "from": "demo", "to": "peer", "ports": [80]]
      _ = try await client.create(ClusterKinds.rules, rule)
      try await TestCluster.operating(client, audit: trail) {
        try await TestCluster.until("everything is there") {
          guard try await Self.isSettled(client, "demo", in: namespace) else { return false }
          return try await client.find(policies, "peers", in: home) != nil
        }
        let before = try await client.get(policies, "peers", in: home)
        _ = try await client.patch(ClusterKinds.agents, "demo", in: namespace, .merge(["spec": ["template": "no-such-template"]]))
        try await TestCluster.until("it cannot be planned") { try await TestCluster.phase(client, "demo", in: namespace) == "Failed" }
        // Also with the operator's own name on it, and by the mark that was there.
        _ = try await client.patch(policies, "paths", in: home, .merge(["spec": ["egress": [[:]]]]))
        try await TestCluster.until("the path is closed") { try await client.find(policies, "paths", in: home) == nil }
        // One that looks like the operator's: the marks of another policy are worth nothing here.
        var hole = KubeObject(policies, namespace: home, name: "paths")
        hole.setMetadata("labels", before.metadata["labels"])
        hole.setMetadata("annotations", before.metadata["annotations"])
        hole["spec"] = before["spec"]
        _ = try await stranger.create(policies, hole)
        try await TestCluster.until("the hole is gone") { try await client.find(policies, "paths", in: home) == nil }
        _ = try await stranger.patch(policies, "default-deny", in: home, .merge(["spec": ["podSelector": ["matchLabels": ["x": "y"]]]]))
        _ = try await stranger.patch(
          roles, "agent-owner", in: home,
          .json([["op": "add", "path": "/rules/-", "value": ["apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]]]]))
        _ = try await stranger.patch(
          spaces, home, .merge(["metadata": ["labels": ["pod-security.kubernetes.io/enforce": "privileged"]]]))
        try await TestCluster.until("what needs no plan is repaired") {
          let policy = try await client.find(policies, "default-deny", in: home)
          let role = try await client.find(roles, "agent-owner", in: home)
          let space = try await client.get(spaces, home)
          return policy?["spec"]?["podSelector"] == [:] && role?["rules"]?.array?.count == 3
            && space.labels["pod-security.kubernetes.io/enforce"] == "restricted"
        }
        // What nobody touched is as it was.
        #expect(try await client.get(policies, "peers", in: home).resourceVersion == before.resourceVersion)
        let closed = trail.events.filter { $0.details["name"] == "paths" && $0.action == "repair" }
        #expect(closed.count == 2 && closed.allSatisfy { $0.details["kind"] == "NetworkPolicy" })
      }
      // The next operator knows it by the mark.
      try await TestCluster.operating(client) {
        _ = try await client.create(ClusterKinds.agents, TestCluster.agent("later", in: namespace))
        try await TestCluster.until("a later one is there") { try await Self.isSettled(client, "later", in: namespace) }
        #expect(try await client.find(policies, "peers", in: home) != nil)
        #expect(try await client.find(policies, "paths", in: home) == nil)
        _ = try await client.patch(ClusterKinds.agents, "demo", in: namespace, .merge(["spec": ["template": .null]]))
        try await TestCluster.until("its path is back") { try await client.find(policies, "paths", in: home) != nil }
      }
    }
  }

  /// An engine whose cluster serves other kinds ends, so that the next one knows them.
  @Test func kindsThatComeLaterAreNoticed() async throws {
    try await TestCluster.run { client, namespace in
      let kind = KubernetesManifest.Kind.ciliumNetworkPolicy.resource
      let definitions = KubeResource(
        "apiextensions.k8s.io", "v1", "customresourcedefinitions", kind: "CustomResourceDefinition", isNamespaced: false)
      var configuration = try TestCluster.configuration()
      configuration.discovery = .milliseconds(100)
      let before = try await OperatorEngine.kinds(of: client)
      #expect(!before.contains(.ciliumNetworkPolicy))
      func engine(_ kinds: [KubernetesManifest.Kind]) -> OperatorEngine {
        var configuration = configuration
        configuration.cluster.hasCilium = kinds.contains(.ciliumNetworkPolicy)
        return OperatorEngine(client, configuration, kinds: kinds, audit: Trail(), logger: Logger(label: "test"))
      }
      _ = try await client.create(ClusterKinds.agents, TestCluster.agent("demo", in: namespace))
      let home = try TestCluster.namespace(of: "demo")
      try await withThrowingTaskGroup(of: Void.self) { group in
        let first = engine(before)
        group.addTask { await first.run() }
        try await TestCluster.until("it works") { try await Self.isSettled(client, "demo", in: namespace) }
        var definition = KubeObject(definitions, name: "ciliumnetworkpolicies.cilium.io")
        let schema: JSONValue = ["openAPIV3Schema": ["type": "object", "x-kubernetes-preserve-unknown-fields": true]]
        definition["spec"] = [
          "group": "cilium.io", "scope": "Namespaced",
          "names": ["plural": "ciliumnetworkpolicies", "kind": "CiliumNetworkPolicy", "listKind": "CiliumNetworkPolicyList"],
          "versions": [["name": "v2", "served": true, "storage": true, "schema": schema]],
        ]
        _ = try await client.create(definitions, definition)
        // It ends by itself.
        try await group.next()
        let kinds = try await OperatorEngine.kinds(of: client)
        #expect(kinds.contains(.ciliumNetworkPolicy))
        let second = engine(kinds)
        group.addTask { await second.run() }
        try await TestCluster.until("the policy is there") { try await client.find(kind, "agent", in: home) != nil }
        let policy = try await client.get(kind, "agent", in: home)
        #expect(policy["spec"]?["egressDeny"]?[0]?["toEntities"] == ["kube-apiserver"])
        try await client.delete(definitions, "ciliumnetworkpolicies.cilium.io")
        // That kinds go is noticed too.
        try await group.next()
      }
      try await TestCluster.until("the kind is gone") { try await !client.serves(kind) }
    }
  }

  /// The kubelet's part is played here.
  @Test func theStatusFollowsThePod() async throws {
    try await TestCluster.run { client, namespace in
      let home = try TestCluster.namespace(of: "demo")
      let workloads = KubernetesManifest.Kind.statefulSet.resource
      try await TestCluster.operating(client) {
        _ = try await client.create(ClusterKinds.agents, TestCluster.agent("demo", in: namespace))
        try await TestCluster.until("its pod is there") { try await client.find(ClusterKinds.pods, "agent-0", in: home) != nil }
        func container(_ state: JSONValue, _ last: JSONValue = [:], restarts: Int = 0) -> JSONValue {
          [
            "status": [
              "phase": "Running", "podIP": "10.1.2.3", "podIPs": [["ip": "10.1.2.3"]],
              "containerStatuses": [
                [
                  "name": "agent", "ready": true, "restartCount": .int(restarts), "image": "x", "imageID": "x", "state": state,
                  "lastState": last,
                ]
              ],
            ]
          ]
        }
        _ = try await client.patch(
          ClusterKinds.pods, "agent-0", in: home, .merge(container(["running": ["startedAt": "2026-11-27T10:00:00Z"]])),
          subresource: "status")
        try await TestCluster.until("it runs") { try await TestCluster.phase(client, "demo", in: namespace) == "Running" }
        #expect(try await client.get(ClusterKinds.agents, "demo", in: namespace)["status"]?["address"] == "10.1.2.3")
        // It came to a good end, and the kubelet starts it again: an agent with `restart: OnFailure` stays where it is.
        let end: JSONValue = [
          "terminated": ["exitCode": 0, "reason": "Completed", "startedAt": "2026-11-27T10:00:00Z", "finishedAt": "2026-11-27T10:05:00Z"]
        ]
        _ = try await client.patch(
          ClusterKinds.pods, "agent-0", in: home,
          .merge(container(["running": ["startedAt": "2026-11-27T10:05:01Z"]], end, restarts: 1)), subresource: "status")
        try await TestCluster.until("it is stopped") { try await TestCluster.phase(client, "demo", in: namespace) == "Stopped" }
        try await TestCluster.until("its pod is gone") { try await client.find(ClusterKinds.pods, "agent-0", in: home) == nil }
        #expect(try await client.get(workloads, "agent", in: home)["spec"]?["replicas"] == 0)
        let status = try await client.get(ClusterKinds.agents, "demo", in: namespace)["status"]
        #expect(status?["lastExit"]?["reason"] == "Completed")
        // Somebody starts it again.
        _ = try await client.patch(ClusterKinds.agents, "demo", in: namespace, .merge(["spec": ["lifecycle": ["restartCount": 1]]]))
        try await TestCluster.until("it is back") { try await client.find(ClusterKinds.pods, "agent-0", in: home) != nil }
        _ = try await client.patch(ClusterKinds.agents, "demo", in: namespace, .merge(["spec": ["lifecycle": ["desired": "Stopped"]]]))
        try await TestCluster.until("its pod is gone") { try await client.find(ClusterKinds.pods, "agent-0", in: home) == nil }
        #expect(try await client.get(KubernetesManifest.Kind.persistentVolumeClaim.resource, "data", in: home).isDeleting == false)
      }
    }
  }

  @Test func whatBelongsToOthersIsNotTaken() async throws {
    try await TestCluster.run { client, namespace in
      let home = try TestCluster.namespace(of: "demo")
      let spaces = KubernetesManifest.Kind.namespace.resource
      _ = try await client.create(spaces, KubeObject(spaces, name: home))
      try await TestCluster.operating(client) {
        _ = try await client.create(ClusterKinds.agents, TestCluster.agent("demo", in: namespace))
        try await TestCluster.until("it says why not") {
          let conditions = try await client.get(ClusterKinds.agents, "demo", in: namespace)["status"]?["conditions"]?.array
          return conditions?.contains { $0["reason"] == "NamespaceTaken" } ?? false
        }
        #expect(try await client.list(KubernetesManifest.Kind.role.resource, Selection(namespace: home)).objects.isEmpty)
      }
    }
  }

  @Test func peersAndTemplatesAreFollowed() async throws {
    try await TestCluster.run { client, namespace in
      let homes = try (TestCluster.namespace(of: "web"), TestCluster.namespace(of: "db"))
      let policies = KubernetesManifest.Kind.networkPolicy.resource
      var template = KubeObject(ClusterKinds.templates, name: "small")
      template["spec"] = ["image": "example.com/small:1", "command": ["run"]]
      _ = try await client.create(ClusterKinds.templates, template)
      try await TestCluster.operating(client) {
        _ = try await client.create(ClusterKinds.agents, TestCluster.agent("web", in: namespace))
        let db = TestCluster.agent("db", in: namespace, ["template": "small", "image": "", "command": []])
        _ = try await client.create(ClusterKinds.agents, db)
        for name in ["web", "db"] {
          try await TestCluster.until("\(name) is there") { try await Self.isSettled(client, name, in: namespace) }
        }
        var rule = KubeObject(ClusterKinds.rules, namespace: namespace, name: "web-db")
        rule["spec"] = ["owner": "alice@example.com", "from": "web", "to": "db", "ports": [5432]]
        _ = try await client.create(ClusterKinds.rules, rule)
        try await TestCluster.until("one may ask the other") {
          let out = try await client.find(policies, "peers", in: homes.0)?["spec"]?["egress"]?[0]
          let into = try await client.find(policies, "peers", in: homes.1)?["spec"]?["ingress"]?[0]
          return out?["ports"]?[0]?["port"] == 5432 && into?["ports"]?[0]?["port"] == 5432
        }
        // Whoever writes it elsewhere opens nothing.
        _ = try await client.patch(ClusterKinds.rules, "web-db", in: namespace, .merge(["spec": ["ports": [80]]]))
        try await TestCluster.until("the port changed") {
          try await client.find(policies, "peers", in: homes.1)?["spec"]?["ingress"]?[0]?["ports"]?[0]?["port"] == 80
        }
        try await client.delete(ClusterKinds.rules, "web-db", in: namespace)
        try await TestCluster.until("nobody may ask") {
          let left = (try await client.find(policies, "peers", in: homes.0), try await client.find(policies, "peers", in: homes.1))
          return left.0 == nil && left.1 == nil
        }
        _ = try await client.patch(ClusterKinds.templates, "small", .merge(["spec": ["image": "example.com/small:2"]]))
        try await TestCluster.until("the image changed") {
          let workload = try await client.get(KubernetesManifest.Kind.statefulSet.resource, "agent", in: homes.1)
          return workload["spec"]?["template"]?["spec"]?["containers"]?[0]?["image"] == "example.com/small:2"
        }
      }
      try await client.delete(ClusterKinds.templates, "small")
    }
  }
}

import NIOHTTP1
import PalanaAPI
import PalanaCore
import PalanaKube
import PalanaPlan
import Testing

@testable import PalanaOperator

/// What a real API server does when it asks the webhooks and evaluates the policies. People are impersonated.
@Suite(.enabled(if: TestCluster.isPresent), .serialized, .timeLimit(.minutes(10)))
struct AdmissionTests {
  @Test func agentsBelongToWhoeverMakesThem() async throws {
    try await AdmissionBench.run(hasPolicies: false) { bench in
      let (alice, bob) = (bench.person(AdmissionBench.alice), bench.person(AdmissionBench.bob))
      let made = try await alice.create(ClusterKinds.agents, TestCluster.agent("demo", in: bench.namespace, ["owner": .null]))
      #expect(made["spec"]?["owner"]?.string == AdmissionBench.alice)
      let stolen = await AdmissionBench.refusal {
        _ = try await bob.create(ClusterKinds.agents, TestCluster.agent("mine", in: bench.namespace))
      }
      #expect(stolen?.contains("‘alice@example.com’ is not you, ‘bob@example.com’; only platform administrators act for others") == true)
      // Somebody else's agent is not theirs to change, whatever their rights are.
      let changed = await AdmissionBench.refusal {
        _ = try await bob.patch(
          ClusterKinds.agents, "demo", in: bench.namespace, .merge(["spec": ["image": "example.com/evil:1"]]))
      }
      #expect(changed?.contains("is not you") == true)
      // An administrator acts for others, by name or by group.
      let root = bench.person("root@example.com")
      _ = try await root.create(
        ClusterKinds.agents, TestCluster.agent("by-root", in: bench.namespace, ["owner": .string(AdmissionBench.bob)]))
      _ = try await bench.client.create(
        ClusterKinds.agents, TestCluster.agent("by-group", in: bench.namespace, ["owner": .string(AdmissionBench.bob)]))
      // The same checks as of manifests on one machine, all at once.
      let wrong = await AdmissionBench.refusal {
        _ = try await alice.create(
          ClusterKinds.agents,
          TestCluster.agent("wrong", in: bench.namespace, ["env": ["HTTPS_PROXY": "x"], "workingDirectory": "relative"]))
      }
      #expect(wrong?.contains("spec.env.HTTPS_PROXY: the platform sets this variable itself") == true)
      #expect(wrong?.contains("spec.workingDirectory: must be an absolute path") == true)
    }
  }

  @Test func namesStandOnceAndOwnersHaveSoMany() async throws {
    try await AdmissionBench.run {
      $0.agentsPerOwner = 2
    } _: { bench in
      let alice = bench.person(AdmissionBench.alice)
      let namespaces = KubernetesManifest.Kind.namespace.resource
      let other = bench.namespace + "-2"
      _ = try await bench.client.create(namespaces, KubeObject(namespaces, name: other))
      _ = try await alice.create(ClusterKinds.agents, TestCluster.agent("demo", in: bench.namespace))
      try await TestCluster.until("the watch has told of it") {
        bench.registry.agents(of: try UserIdentity(AdmissionBench.alice)).contains { $0.namespace == bench.namespace }
      }
      let twice = await AdmissionBench.refusal { _ = try await alice.create(ClusterKinds.agents, TestCluster.agent("demo", in: other)) }
      #expect(twice?.contains("has an agent ‘demo’ already, in the namespace ‘\(bench.namespace)’") == true)
      _ = try await alice.create(ClusterKinds.agents, TestCluster.agent("two", in: other))
      let third = await AdmissionBench.refusal { _ = try await alice.create(ClusterKinds.agents, TestCluster.agent("three", in: other)) }
      #expect(third?.contains("has 2 agents, and may have 2") == true)
      try await bench.client.delete(namespaces, other)
    }
  }

  @Test func podsOfAgentsAreConfined() async throws {
    try await AdmissionBench.run {
      $0.images = try AllowedImages(prefixes: ["example.com/"])
    } _: { bench in
      let home = try await bench.agentNamespace()
      let alice = bench.person(AdmissionBench.alice)
      let made = try await alice.create(ClusterKinds.pods, AdmissionBench.pod("bare", in: home))
      #expect(try OwnPod.rules().problems(made.json, in: home, isNew: true) == [])
      #expect(made["spec"]?["serviceAccountName"] == "agent" && made["spec"]?["volumes"]?.array?.compactMap { $0["projected"] } == [])
      #expect(made["spec"]?["containers"]?[0]?["env"]?.array?.contains { $0["name"] == "HTTPS_PROXY" } == true)
      // The second time nothing happens: the same object is accepted as it is.
      var again = KubeObject(ClusterKinds.pods, namespace: home, name: "again")
      again["spec"] = made["spec"]
      #expect(try await alice.create(ClusterKinds.pods, again)["spec"] == made["spec"])
      // What no policy says is said by the webhook, in a sentence that names the member.
      for (spec, container, words) in [
        (["priorityClassName": "system-node-critical"], [:], "spec.priorityClassName"),
        (["hostAliases": [["ip": "10.0.0.1"]]], [:], "spec.hostAliases"),
        ([:], ["image": "evil.example.net/x"], "spec.containers[0].image: images come from example.com/"),
        (["tolerations": [["operator": "Exists"]]], [:], "spec.tolerations[0]"),
        ([:], ["livenessProbe": ["httpGet": ["host": "169.254.169.254", "port": 80]]], "livenessProbe.httpGet.host"),
      ] as [(JSONObject, JSONObject, String)] {
        let refused = await AdmissionBench.refusal {
          _ = try await alice.create(ClusterKinds.pods, AdmissionBench.pod("bad", in: home, spec, container: container))
        }
        #expect(refused?.contains(words) == true && refused?.contains("pods.palana.dev") == true, "\(words): \(refused ?? "allowed")")
      }
      // Changed afterwards.
      let changed = await AdmissionBench.refusal {
        _ = try await alice.patch(
          ClusterKinds.pods, "bare", in: home, .strategic(["spec": ["containers": [["name": "main", "image": "evil.example.net/x"]]]]))
      }
      #expect(changed?.contains("spec.containers[0].image") == true)
      let relabelled = await AdmissionBench.refusal {
        _ = try await alice.patch(ClusterKinds.pods, "bare", in: home, .merge(["metadata": ["labels": ["palana.dev/agent-id": "x"]]]))
      }
      #expect(relabelled?.contains("says which agent this is") == true)
      let debugger: JSONValue = ["spec": ["ephemeralContainers": [["name": "debug", "image": "example.com/x:1"]]]]
      let added = await AdmissionBench.refusal {
        _ = try await alice.patch(ClusterKinds.pods, "bare", in: home, .strategic(debugger), subresource: "ephemeralcontainers")
      }
      #expect(added?.contains("nobody but the operator puts a container into an agent’s pod") == true)
      // Elsewhere nobody is asked.
      _ = try await alice.create(
        ClusterKinds.pods,
        AdmissionBench.pod(
          "free", in: bench.namespace, ["hostNetwork": true, "serviceAccountName": "default"],
          container: ["securityContext": ["privileged": true]]))
    }
  }

  @Test func onlyOwnersComeIn() async throws {
    try await AdmissionBench.run(hasPolicies: false) { bench in
      let home = try await bench.agentNamespace()
      _ = try await bench.engine.create(ClusterKinds.pods, AdmissionBench.pod("agent-0", in: home))
      func enter(_ user: String, _ subresource: String) async -> String? {
        await AdmissionBench.refusal {
          _ = try await bench.person(user).json(
            .POST, "/api/v1/namespaces/\(home)/pods/agent-0/\(subresource)?command=sh&container=main&stdout=true")
        }
      }
      for subresource in ["exec", "attach", "portforward"] {
        #expect(
          await enter(AdmissionBench.bob, subresource)?.contains("only the agent’s owner and platform administrators come in") == true)
        #expect(await enter("system:serviceaccount:palana-system:palana-reaper", subresource)?.contains("come in") == true)
        for user in [AdmissionBench.alice, "root@example.com", "system:serviceaccount:palana-system:palana-control"] {
          // There is no node to go to; that far they get.
          let answer = await enter(user, subresource)
          #expect(answer != nil && answer?.contains("come in") == false, "\(user): \(answer ?? "")")
        }
      }
    }
  }

  @Test func theRestIsThePlatforms() async throws {
    try await AdmissionBench.run(hasPolicies: false) { bench in
      let (alice, root) = (bench.person(AdmissionBench.alice), bench.person("root@example.com"))
      let namespaces = KubernetesManifest.Kind.namespace.resource
      let home = try await bench.agentNamespace()
      let relabelled = await AdmissionBench.refusal {
        _ = try await root.patch(namespaces, home, .merge(["metadata": ["labels": ["pod-security.kubernetes.io/enforce": "privileged"]]]))
      }
      #expect(relabelled?.contains("only the operator makes and labels it") == true)
      let invented = await AdmissionBench.refusal {
        _ = try await alice.create(namespaces, KubeObject(namespaces, name: try TestCluster.namespace(of: "other")))
      }
      #expect(invented?.contains("only the operator makes and labels it") == true)
      let policies = KubeResource("palana.dev", "v1alpha1", "egresspolicies", kind: "EgressPolicy", isNamespaced: false)
      var policy = KubeObject(policies, name: "open")
      policy["spec"] = ["rules": [["host": "api.example.com"]]]
      let opened = await AdmissionBench.refusal { _ = try await alice.create(policies, policy) }
      #expect(opened?.contains("only") == true)
      _ = try await root.create(policies, policy)
      let removed = await AdmissionBench.refusal { try await alice.delete(policies, "open") }
      #expect(removed?.contains("only") == true)
      try await root.delete(policies, "open")
      let wrong = await AdmissionBench.refusal {
        policy["spec"] = ["rules": []]
        _ = try await root.create(policies, policy)
      }
      #expect(wrong?.contains("spec.rules: at least one rule") == true)

      _ = try await alice.create(ClusterKinds.agents, TestCluster.agent("demo", in: bench.namespace))
      var order = KubeObject(ClusterKinds.orders, name: "mine")
      order["spec"] = ["target": ["owner": .string(AdmissionBench.alice)], "reason": "test"]
      let given = try await alice.create(ClusterKinds.orders, order)
      #expect(given["spec"]?["by"]?.string == AdmissionBench.alice && given["spec"]?["at"] != nil)
      let takenBack = await AdmissionBench.refusal { try await alice.delete(ClusterKinds.orders, "mine") }
      #expect(takenBack?.contains("taken back by platform administrators only") == true)
      try await root.delete(ClusterKinds.orders, "mine")
      order.setMetadata("name", "all")
      order["spec"] = ["target": ["all": true], "reason": "test"]
      #expect(await AdmissionBench.refusal { _ = try await alice.create(ClusterKinds.orders, order) }?.contains("your own agents") == true)
    }
  }
}

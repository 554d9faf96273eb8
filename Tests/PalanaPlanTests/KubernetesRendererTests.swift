import Foundation
import PalanaAPI
import PalanaCore
import PalanaManifests
import Testing
import Yams

@testable import PalanaPlan

/// `NAME.in.yaml` → `NAME.out.yaml`, read in review. `PALANA_RECORD_GOLDEN=1` writes them anew and fails.
@Suite("Kubernetes renderer")
struct KubernetesRendererTests {
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "KubernetesGolden")

  struct Input: Decodable {
    struct Binding: Decodable {
      var metadata: ObjectMeta
      var spec: SecretBindingSpec
    }
    struct Run: Decodable {
      var isWanted: Bool
      var isCut: Bool?
      var isIdle: Bool?
      var number: Int?
      var ended: Int?
      var incoming: [AgentRun.Peer]?
      var outgoing: [AgentRun.Peer]?
      var source: String
    }
    struct Facts: Decodable {
      var llm: ClusterFacts.Place?
      var vault: ClusterFacts.Place?
      var secretFiles: ClusterFacts.SecretFiles?
      var hostImage: String?
      var storageClass: String?
      var browser: ClusterFacts.Browser?
      var hasUserNamespaces: Bool?
      var hasCilium: Bool?
    }
    var agent: Agent
    var template: AgentTemplate?
    var bindings: [Binding]?
    var run: Run
    var facts: Facts?

    func renderer() throws -> KubernetesRenderer {
      let gateway = "palana-gateway.palana-system.svc"
      let llm = facts?.llm.map { _ in PlatformFacts.LLM(baseURL: "http://palana-llm.palana-system.svc:4000", port: 4000) }
      let plan = try Planner.plan(
        agent: agent, template: template, bindings: (bindings ?? []).map { SecretBinding(metadata: $0.metadata, spec: $0.spec) },
        allocation: nil,
        platform: PlatformFacts(
          gateway: .name(gateway), prefix: 0, proxyPort: 3128, llm: llm, caBundle: "/etc/palana/ca.crt",
          caCertificate: "/etc/palana/ca.crt"))
      var state = AgentRun(
        isWanted: run.isWanted, isCut: run.isCut ?? false, number: run.number ?? 0, ended: run.ended, incoming: run.incoming ?? [],
        outgoing: run.outgoing ?? [], source: run.source)
      state.isIdle = run.isIdle ?? false
      var around = ClusterFacts(
        gateway: .init(namespace: "palana-system", labels: ["app.kubernetes.io/name": "palana-gateway"], ports: [3128]),
        llm: facts?.llm, dns: .init(namespace: "kube-system", labels: ["k8s-app": "kube-dns"], ports: [53]), vault: facts?.vault,
        names: [gateway + ".cluster.local"], caCertificate: "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n",
        hostImage: facts?.hostImage, storageClass: facts?.storageClass, browser: facts?.browser,
        hasUserNamespaces: facts?.hasUserNamespaces ?? false, hasCilium: facts?.hasCilium ?? false)
      around.secretFiles = facts?.secretFiles
      return KubernetesRenderer(plan, state, around)
    }
  }

  static func input(_ name: String) throws -> Input {
    try YAMLDecoder().decode(Input.self, from: String(contentsOf: folder.appending(path: "\(name).in.yaml"), encoding: .utf8))
  }

  @Test("the recorded objects", arguments: ["minimal", "full", "cilium", "killed", "killed-running", "idle", "secrets"])
  func golden(name: String) throws {
    let renderer = try Self.input(name).renderer()
    let text = try YAMLText.documents(try renderer.manifests().map(\.json))
    let url = Self.folder.appending(path: "\(name).out.yaml")
    if ProcessInfo.processInfo.environment["PALANA_RECORD_GOLDEN"] == "1" {
      try text.write(to: url, atomically: true, encoding: .utf8)
      Issue.record("recorded \(name)")
      return
    }
    #expect(text == (try String(contentsOf: url, encoding: .utf8)), "\(name)")
  }

  /// The pod security standard “restricted”, which the namespace also demands.
  @Test("every pod is confined", arguments: ["minimal", "full", "cilium", "killed", "killed-running", "secrets"])
  func confined(name: String) throws {
    let manifests = try Self.input(name).renderer().manifests()
    let workload = try #require(manifests.first { $0.kind == .statefulSet }?.json)
    let pod = try #require(workload["spec"]?["template"]?["spec"])
    #expect(pod["automountServiceAccountToken"] == false && pod["securityContext"]?["runAsNonRoot"] == true)
    #expect(pod["securityContext"]?["seccompProfile"]?["type"] == "RuntimeDefault")
    #expect(pod["containers"]?.array?.count == 1)
    let context = pod["containers"]?[0]?["securityContext"]
    #expect(context?["allowPrivilegeEscalation"] == false && context?["readOnlyRootFilesystem"] == true)
    #expect(context?["capabilities"] == ["drop": ["ALL"]])
    #expect(pod["hostNetwork"] == nil && pod["hostPID"] == nil && pod["hostIPC"] == nil)
    for volume in pod["volumes"]?.array ?? [] {
      #expect(volume["hostPath"] == nil)
      #expect(volume["projected"] == nil || (name == "secrets" && volume["name"] == "vault-token"))
    }
    for container in pod["initContainers"]?.array ?? [] { #expect(container["securityContext"] == context) }
    // What denies everything is there whatever else is, and before anything that runs.
    let deny = try #require(manifests.firstIndex { $0.kind == .networkPolicy && $0.name == "default-deny" })
    let start = try #require(manifests.firstIndex { $0.kind == .statefulSet })
    #expect(deny < start)
    let binding = try #require(manifests.first { $0.kind == .roleBinding }?.json)
    #expect(binding["subjects"]?[0]?["name"]?.string == (try Self.input(name).agent.spec.owner?.raw))
  }

  @Test("one who is cut off has no path and no process")
  func cut() throws {
    let manifests = try Self.input("killed").renderer().manifests()
    #expect(manifests.filter { $0.kind == .networkPolicy }.map(\.name) == ["default-deny"])
    #expect(manifests.first { $0.kind == .statefulSet }?.json["spec"]?["replicas"] == 0)
  }

  @Test("the secret store is reached only with a secret to read there")
  func vault() throws {
    var input = try Self.input("full")
    func reaches(_ input: Input) throws -> Bool {
      let paths = try input.renderer().manifests().first { $0.name == "paths" }
      return String(decoding: paths?.json.encoded() ?? [], as: UTF8.self).contains("8200")
    }
    #expect(try reaches(input))
    input.bindings?.removeAll { $0.spec.access == .agentReadable }
    #expect(try !reaches(input))
  }

  @Test("the platform's own containers alone have the token for the secret store")
  func secretFiles() throws {
    var input = try Self.input("secrets")
    func pod(_ input: Input) throws -> JSONValue? {
      try input.renderer().manifests().first { $0.kind == .statefulSet }?.json["spec"]?["template"]?["spec"]
    }
    let pod1 = try #require(try pod(input))
    func mounts(_ container: JSONValue?) -> [String] {
      (container?["volumeMounts"]?.array ?? []).map { "\($0["name"]?.string ?? ""):\($0["readOnly"] == true ? "ro" : "rw")" }
    }
    let own = mounts(pod1["containers"]?[0])
    #expect(own.contains("secrets:ro") && !own.contains { $0.hasPrefix("vault-") })
    let platform = try #require(pod1["initContainers"]?.array)
    #expect(platform.count == 2 && platform[0]["restartPolicy"] == nil && platform[1]["restartPolicy"] == "Always")
    for container in platform {
      #expect(mounts(container) == ["secrets:rw", "vault-token:ro", "vault-authority:ro"])
      #expect(container["image"] == "registry.example.com/palana:1")
      let namespace = try input.renderer().namespace
      #expect(container["args"]?.array?.contains(.string("palana-" + namespace)) == true)
    }
    // What they take is theirs: the agent keeps all of its own.
    let quota = try input.renderer().manifests().first { $0.kind == .resourceQuota }?.json["spec"]?["hard"]
    #expect(quota?["limits.cpu"] == "700m" && quota?["limits.memory"] == "384Mi")
    input.bindings?.removeAll { $0.spec.access == .agentReadable }
    let without = try #require(try pod(input))
    #expect(without["initContainers"] == nil && !String(decoding: without.encoded(), as: UTF8.self).contains("vault"))
  }

  @Test("the token is in the secret alone")
  func token() throws {
    let renderer = try Self.input("minimal").renderer()
    let secret = renderer.proxyToken(Redacted("s3cret"))
    #expect(!"\(secret)".contains("czNjcmV0"))
    #expect(secret.reveal().json["data"]?["token"] == "czNjcmV0")
    #expect(secret.reveal().namespace == renderer.namespace)
  }

  @Test("what cannot run in a cluster is refused with the reason")
  func refusals() throws {
    var input = try Self.input("full")
    input.facts?.hostImage = nil
    #expect { try input.renderer().manifests() } throws: { ($0 as? PalanaError)?.message.contains("host") == true }
    input = try Self.input("minimal")
    input.agent.spec.image = "oci-archive:/images/a.tar"
    #expect { try input.renderer().manifests() } throws: { ($0 as? PalanaError)?.message.contains("one machine") == true }
    input = try Self.input("minimal")
    input.agent.spec.owner = try UserIdentity("system:anonymous")
    #expect { try input.renderer().manifests() } throws: { ($0 as? PalanaError)?.message.contains("cluster") == true }
  }
}

@Suite("names and amounts in a cluster")
struct KubernetesNamesTests {
  @Test("every agent has a namespace of its own, and its name is a label")
  func namespaces() throws {
    let owners = [
      "a@example.com", "A@example.com", "a.example.com", "a-example@com", "é", "e\u{301}", "x", String(repeating: "y", count: 254),
    ]
    let agents = ["a", "b-c", "a-name-of-forty-characters-which-is-most"]
    var seen: Set<String> = []
    for owner in owners {
      for agent in agents {
        let name = AgentNamespace.name(owner: try UserIdentity(owner), agent: try ResourceName(agent))
        #expect(name.utf8.count <= 63 && name.hasPrefix("agent-") && !name.contains("--"))
        #expect(name.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 45 })
        #expect(seen.insert(name).inserted, "\(owner) \(agent)")
      }
    }
    // The sanitized pairs are the same text.
    #expect(
      AgentNamespace.name(owner: try UserIdentity("a-b"), agent: try ResourceName("c"))
        != AgentNamespace.name(owner: try UserIdentity("a"), agent: try ResourceName("b-c")))
  }

  @Test(
    "amounts in the server's own spelling",
    arguments: [
      (1024, "1Ki"), (2_147_483_648, "2Gi"), (1_610_612_736, "1536Mi"), (1_500_000_000, "1500M"), (1_000_000, "1M"), (1, "1"), (0, "0"),
      (1025, "1025"), (1000, "1k"),
    ] as [(Int64, String)])
  func bytes(value: Int64, text: String) { #expect(ResourceAmount.bytes(value) == text) }

  @Test("processors", arguments: [(500, "500m"), (2000, "2"), (1500, "1500m"), (1_000_000, "1k"), (1, "1m")] as [(Int64, String)])
  func milli(value: Int64, text: String) { #expect(ResourceAmount.milli(value) == text) }

  /// The kubelet's own rules: `$$` is a dollar, `$(NAME)` a variable, any other dollar itself.
  @Test("texts come out of the kubelet as they went in", arguments: ["a$b", "$(X)", "$$", "$$(X)", "$$$", "100$", "$", "", "$$$(Y) $Z$"])
  func literal(text: String) {
    var result = ""
    var rest = Array(KubernetesRenderer.literal(text))[...]
    while let character = rest.popFirst() {
      guard character == "$" else {
        result.append(character)
        continue
      }
      if rest.first == "$" {
        rest.removeFirst()
        result.append("$")
      } else {
        #expect(rest.first != "(", "a variable in \(text)")
        result.append("$")
      }
    }
    #expect(result == text)
  }
}

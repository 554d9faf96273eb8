import Foundation
import Testing

/// `palanad control` and `pcli` with a real API server, under exactly the rights that are installed, and an operator beside them.
@Suite(.enabled(if: ControlledCluster.isPresent, "there is no Kubernetes API server"), .serialized, .timeLimit(.minutes(10)))
struct KubernetesControlTests {
  private static let alice = "alice@example.com"
  private static let bob = "bob@example.com"

  @Test func peopleWorkWithTheirAgentsAsOnOneMachine() async throws {
    try await ControlledCluster.started { cluster in
      try await nobodyIsLetInWithoutAToken(cluster)
      try await alicesAgentComesAndGoes(cluster)
      try await othersAreShutOut(cluster)
      try await aKubeconfigIsHersAlone(cluster)
      try await aKillNamesWhoAnswered(cluster)
      // What was done stands in the trail, each thing by whoever did it.
      let trail = try await cluster.pcli(as: "admin", "audit", "-o", "json").output
      for words in [#""actor":"alice@example.com""#, #""action":"kill""#, #""action":"create""#, #""action":"impersonate""#] {
        #expect(trail.replacingOccurrences(of: "\": \"", with: "\":\"").contains(words), "\(words)")
      }
    }
  }

  private func nobodyIsLetInWithoutAToken(_ cluster: ControlledCluster) async throws {
    try "wrong".write(toFile: cluster.folder + "/tokens/stranger", atomically: true, encoding: .utf8)
    #expect(try await cluster.pcli(as: "stranger", "list", expect: 4).error.contains("not known"))
    let who = try await cluster.pcli(as: Self.alice, "whoami", "-o", "json").json()
    #expect(who["user"].string == Self.alice && who["operator"].bool == false && who["installation"].string == "test")
    #expect(try await cluster.pcli(as: "admin", "whoami", "-o", "json").json()["operator"].bool == true)
  }

  private func alicesAgentComesAndGoes(_ cluster: ControlledCluster) async throws {
    #expect(try await cluster.pcli(as: Self.alice, "list", "-o", "json").json()["items"].array.isEmpty)
    _ = try await cluster.pcli(as: Self.alice, "create", "demo", "--image", "example.com/agent:1")
    let manifest = """
      apiVersion: palana.dev/v1alpha1
      kind: Agent
      metadata: {name: second}
      spec: {image: "example.com/agent:1", command: [serve], egress: {rules: [{host: api.github.com}]}}
      """
    #expect(try await cluster.pcli(as: Self.alice, ["apply", "-f", "-"], input: manifest).output.contains("created"))
    #expect(try await cluster.pcli(as: Self.alice, ["apply", "-f", "-"], input: manifest).output.contains("unchanged"))
    try await waitUntil("the operator has seen it") {
      try await cluster.pcli(as: Self.alice, "get", "agent", "second", "-o", "json").json()["status"]["phase"].string == "Pending"
    }
    // The question that needs no gateway.
    let allowed = try await cluster.pcli(as: Self.alice, "egress", "test", "second", "GET", "https://api.github.com/", "-o", "json").json()
    #expect(allowed["allowed"].bool == true)
    _ = try await cluster.pcli(as: Self.alice, "egress", "allow", "second", "example.org")
    #expect(try await cluster.pcli(as: Self.alice, "egress", "list", "second").output.contains("example.org"))
    _ = try await cluster.pcli(as: Self.alice, "peer", "allow", "second", "demo", "--port", "8080")
    _ = try await cluster.pcli(as: Self.alice, "run", "demo", "--detach")
    let stopped = try await cluster.pcli(as: Self.alice, "stop", "second", "-o", "json")
    #expect(stopped.output.contains("Stopped"))
    #expect(try await cluster.pcli(as: Self.alice, "exec", "second", "--", "true", expect: 5).error.contains("does not run"))
    #expect(
      try await cluster.pcli(as: Self.alice, "secrets", "add", "demo", "PAT", "token=x", expect: 6).error.contains("no store of secrets"))
    _ = try await cluster.pcli(as: Self.alice, "delete", "second", "--purge")
    try await waitUntil("the operator has removed it") {
      try await cluster.pcli(as: Self.alice, "get", "agent", "second", expect: nil).code == 3
    }
  }

  private func othersAreShutOut(_ cluster: ControlledCluster) async throws {
    #expect(try await cluster.pcli(as: Self.bob, "list", "-o", "json").json()["items"].array.isEmpty)
    _ = try await cluster.pcli(as: Self.bob, "get", "agent", "demo", expect: 3)
    _ = try await cluster.pcli(as: Self.bob, "stop", "demo", expect: 3)
    _ = try await cluster.pcli(as: Self.bob, "list", "--user", Self.alice, expect: 4)
    _ = try await cluster.pcli(as: Self.bob, "kill", "--all", "--reason", "x", expect: 4)
    let template = "{apiVersion: palana.dev/v1alpha1, kind: AgentTemplate, metadata: {name: mine}, spec: {image: host}}"
    _ = try await cluster.pcli(as: Self.bob, ["apply", "-f", "-"], input: template, expect: 4)
    // An operator sees everybody's and may act for them.
    #expect(try await cluster.pcli(as: "admin", "list", "-o", "json").output.contains(Self.alice))
    #expect(try await cluster.pcli(as: "admin", "list", "--user", Self.alice, "-o", "json").json()["items"].array.count == 1)
    _ = try await cluster.pcli(as: "admin", ["apply", "-f", "-"], input: template)
  }

  private func aKubeconfigIsHersAlone(_ cluster: ControlledCluster) async throws {
    let file = cluster.folder + "/alice.kubeconfig"
    _ = try await cluster.pcli(as: Self.alice, "kubeconfig", "--file", file)
    let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
    #expect(mode == 0o600)
    let config = try await cluster.pcli(as: Self.alice, "kubeconfig", "-o", "json").json()
    for list in ["clusters", "users", "contexts"] { #expect(config[list].array.count == 1) }
    #expect(config["users"][0]["user"]["tokenFile"].string == "\(cluster.folder)/tokens/\(Self.alice)")
    let namespace = try #require(config["contexts"][0]["context"]["namespace"].string)
    let authority = try #require(config["clusters"][0]["cluster"]["certificate-authority-data"].string.flatMap { Data(base64Encoded: $0) })
    #expect(authority == FileManager.default.contents(atPath: cluster.folder + "/certificates/apiserver.crt"))
    // What it is for: her agents, and nothing of anybody else.
    let token = try String(contentsOfFile: "\(cluster.folder)/tokens/\(Self.alice)", encoding: .utf8)
    let agents = "/apis/palana.dev/v1alpha1/namespaces/\(namespace)/agents"
    #expect(try await cluster.request("GET", agents, token: token).status == 200)
    #expect(try await cluster.request("GET", "/apis/palana.dev/v1alpha1/agents", token: token).status == 403)
  }

  private func aKillNamesWhoAnswered(_ cluster: ControlledCluster) async throws {
    let now = ISO8601DateFormatter().string(from: Date()).replacingOccurrences(of: "Z", with: ".000000Z")
    try await cluster.apply(
      """
      apiVersion: coordination.k8s.io/v1
      kind: Lease
      metadata: {name: palana-gateway-one, namespace: palana-system, labels: {palana.dev/gateway: "true"}}
      spec: {holderIdentity: one, leaseDurationSeconds: 60, renewTime: "\(now)"}
      """, at: "/apis/coordination.k8s.io/v1/namespaces/palana-system/leases/palana-gateway-one")
    // Her own she may kill herself.
    _ = try await cluster.pcli(as: Self.alice, "kill", "demo", "--reason", "mine", expect: nil)
    _ = try await cluster.pcli(as: Self.alice, "unkill", "demo", "--reason", "over")
    let report = try await cluster.pcli(as: "admin", ["kill", "--owner", Self.alice, "--reason", "test", "-o", "json"], expect: nil).json()
    let order = try #require(report["orders"][0].string)
    #expect(report["agents"].array.map { $0["name"].string } == ["demo"])
    let planes = Dictionary(report["planes"].array.map { ($0["name"].string ?? "", $0["error"].string) }) { first, _ in first }
    // There is no such gateway, so nobody can have answered for it.
    #expect(planes["gateway/one"]??.hasPrefix("no answer") == true, "\(planes)")
    try await waitUntil("the operator has cut it off") {
      try await cluster.pcli(as: Self.alice, "get", "agent", "demo", "-o", "json").json()["status"]["phase"].string == "Killed"
    }
    #expect(try await cluster.pcli(as: Self.alice, "resume", "demo", expect: 5).error.contains(order))
    _ = try await cluster.pcli(as: "admin", "unkill", "--owner", Self.alice, "--reason", "over")
  }
}

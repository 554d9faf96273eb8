import Foundation
import Testing

/// `palanad operator` and an API server that end, stop and come back.
@Suite(.enabled(if: KubernetesCluster.isPresent, "there is no Kubernetes API server"), .serialized, .timeLimit(.minutes(15)))
struct KubernetesFaultTests {
  private static let lease = "/apis/coordination.k8s.io/v1/namespaces/palana-system/leases/palana-operator"
  /// What writes a request has, in the words of the server's metrics. The lease is renewed with `PUT`, events are made with `POST`.
  private static let writes: Set<String> = ["APPLY", "PATCH", "DELETE", "DELETECOLLECTION"]

  private static func agents(_ count: Int) -> [String] { (0..<count).map { "a\($0)x" } }

  private static func add(_ cluster: KubernetesCluster, _ names: [String]) async throws {
    try await cluster.apply("{apiVersion: v1, kind: Namespace, metadata: {name: people-alice}}", at: "/api/v1/namespaces/people-alice")
    for name in names {
      try await cluster.apply(
        """
        apiVersion: palana.dev/v1alpha1
        kind: Agent
        metadata: {name: \(name)}
        spec:
          owner: alice@example.com
          image: example.com/agent:1
          command: [serve]
          resources: {cpu: 500m, memory: 256Mi, storage: 1Gi}
          ports: [{name: http, port: 8080}]
        """, at: KubernetesCluster.agent(name))
    }
  }

  /// All that an operator says in an agent's namespace, without what is another one for each agent or each time.
  private static func picture(_ cluster: KubernetesCluster, _ name: String) async throws -> [String: String] {
    let home = try #require(try await cluster.home(name))
    var picture: [String: String] = [:]
    for (path, wanted) in KubernetesOperatorTests.made(home) {
      for object in try await cluster.list(path) {
        guard let own = object["metadata"]["name"].string, wanted.contains(own) else { continue }
        let collection = path.split(separator: "/").last ?? ""
        let id = home.dropFirst("agent-alice-example-com-".count)
        picture["\(collection) \(own)"] = object.plain.replacing(home, with: "HOME").replacing(id, with: "ID").replacing(name, with: "NAME")
      }
    }
    return picture
  }

  /// Versions by path: what is written anew has another one.
  private static func versions(_ cluster: KubernetesCluster, _ names: [String]) async throws -> [String: String] {
    var versions: [String: String] = [:]
    for name in names {
      let home = try #require(try await cluster.home(name))
      for path in KubernetesOperatorTests.made(home).keys {
        for object in try await cluster.list(path) {
          versions["\(path)/\(object["metadata"]["name"].string ?? "")"] = object["metadata"]["resourceVersion"].string
        }
      }
    }
    return versions
  }

  private static func revision(_ cluster: KubernetesCluster) async throws -> Int {
    Int(try await cluster.get("/apis/apps/v1/statefulsets?limit=1")?["metadata"]["resourceVersion"].string ?? "") ?? 0
  }

  /// Moments are numbers of writes to the store, from dice that fall the same way each time.
  @Test func killedAtRandomMomentsItEndsInTheSameState() async throws {
    try await KubernetesCluster.started { cluster in
      try await Self.add(cluster, ["first"])
      let undisturbed = try OperatorProcess(cluster)
      try await waitUntil("the first is applied") { try await cluster.areApplied(["first"]) }
      let wanted = try await Self.picture(cluster, "first")
      #expect(wanted.count == 12)
      #expect(try await undisturbed.stop() == 0)

      let names = Self.agents(15)
      try await Self.add(cluster, names)
      var dice = Dice(state: 7)
      var kills = 0
      while kills < 12, try await !cluster.areApplied(names) {
        // Whoever was killed cannot give the lease back, and is certainly no more.
        try await cluster.delete(Self.lease)
        let moment = try await Self.revision(cluster) + Int.random(in: 2...45, using: &dice)
        let palanad = try OperatorProcess(cluster)
        try await waitUntil("it has written that much") {
          if try await Self.revision(cluster) >= moment { return true }
          return try await cluster.areApplied(names)
        }
        palanad.end()
        kills += 1
      }
      #expect(kills >= 4)
      try await cluster.delete(Self.lease)
      let last = try OperatorProcess(cluster)
      try await waitUntil("all are applied", within: .seconds(180)) { try await cluster.areApplied(names) }
      for name in names {
        let picture = try await Self.picture(cluster, name)
        #expect(picture.keys.sorted() == wanted.keys.sorted(), "\(name)")
        for (object, content) in picture { #expect(content == wanted[object], "\(name)") }
      }
      // Nobody but operators changed anything.
      #expect(try last.trail().allSatisfy { $0["action"].string != "repair" })
      #expect(try await last.stop() == 0)

      // One that finds everything as it is wanted writes nothing.
      let before = try await Self.versions(cluster, names)
      let count = try await cluster.requests(Self.writes)
      let idle = try OperatorProcess(cluster)
      try await waitUntil("it knows the cluster") { idle.log.contains("the cluster is known") }
      // Its turn comes after all that were there.
      try await Self.add(cluster, ["sentinel"])
      try await waitUntil("a new one is applied") { try await cluster.areApplied(["sentinel"]) }
      let home = try #require(try await cluster.home("sentinel"))
      let own = try await Self.versions(cluster, ["sentinel"]).keys.filter { $0.contains(home) }.count
      // The controllers of Kubernetes write too: events that repeat are patched.
      var writes = try await cluster.requests(Self.writes)
      for (resource, before) in count { writes[resource, default: 0] -= before }
      writes["events"] = nil
      // The one that was new: its objects and its namespace, its finalizer and its status as its parts become ready.
      #expect(writes.filter { $0.key != "agents" }.values.reduce(0, +) <= own + 3, "\(writes)")
      #expect(writes["agents", default: 0] < names.count, "\(writes)")
      #expect(try await Self.versions(cluster, names) == before)
      #expect(try await idle.stop() == 0)
    }
  }

  @Test func theAPIServerEndsAndComesBack() async throws {
    try await KubernetesCluster.started { cluster in
      let palanad = try OperatorProcess(cluster)
      try await Self.add(cluster, ["one", "two"])
      try await waitUntil("they are applied") { try await cluster.areApplied(["one", "two"]) }
      let home = try #require(try await cluster.home("one"))
      let policy = "/apis/networking.k8s.io/v1/namespaces/\(home)/networkpolicies/paths"
      let before = try await cluster.get(policy)?["spec"]

      cluster.stop()
      try await waitUntil("it is noticed") { palanad.log.contains("a watch failed") }
      try cluster.start()
      try await cluster.merge(policy, #"{"spec": {"egress": [{}]}}"#, as: "somebody")
      try await Self.add(cluster, ["three"])
      try await waitUntil("it goes on") { try await cluster.areApplied(["one", "two", "three"]) }
      try await waitUntil("the policy is as it was") { try await cluster.get(policy)?["spec"] == before }

      // One that answers nothing any more, with its connections open.
      try cluster.signal(SIGSTOP)
      try await waitUntil("the operator leads no more") { palanad.hasLost }
      try cluster.signal(SIGCONT)
      try await cluster.merge(policy, #"{"spec": {"egress": [{}, {}]}}"#, as: "somebody")
      try await Self.add(cluster, ["four"])
      try await waitUntil("it goes on") { try await cluster.areApplied(["four"]) }
      try await waitUntil("the policy is as it was") { try await cluster.get(policy)?["spec"] == before }
      let repaired = try palanad.trail().filter { $0["action"].string == "repair" }.compactMap { $0["details"]["changedBy"].string }
      #expect(repaired == ["somebody", "somebody"])
      #expect(try await palanad.stop() == 0)
    }
  }

  @Test func anotherGoesOnForTheOneThatLed() async throws {
    try await KubernetesCluster.started { cluster in
      let all = [try OperatorProcess(cluster, "a"), try OperatorProcess(cluster, "b")]
      try await waitUntil("one leads") { all.contains(where: \.isLeading) }
      let first = all.firstIndex(where: \.isLeading)
      let place = try #require(first)
      let (leader, other) = (all[place], all[1 - place])
      try await Self.add(cluster, ["one"])
      try await waitUntil("it is applied") { try await cluster.areApplied(["one"]) }
      #expect(!other.isLeading)

      // It stands still and knows nothing of it: the other one waits for the end of its lease.
      leader.signal(SIGSTOP)
      try await waitUntil("the other leads") { other.isLeading }
      try await Self.add(cluster, ["two"])
      try await waitUntil("it is applied") { try await cluster.areApplied(["two"]) }
      leader.signal(SIGCONT)
      try await waitUntil("the first has noticed") { leader.hasLost }
      let home = try #require(try await cluster.home("one"))
      let role = "/apis/rbac.authorization.k8s.io/v1/namespaces/\(home)/roles/agent-owner"
      let before = try await cluster.get(role)?["rules"]
      try await cluster.merge(role, #"{"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}"#)
      try await waitUntil("the role is as it was") { try await cluster.get(role)?["rules"] == before }
      try await waitUntil("it is written down") { try !other.trail().isEmpty }
      #expect(try leader.trail().allSatisfy { $0["action"].string != "repair" })

      // One that is asked to end gives the lease back: nobody waits for it.
      #expect(try await other.stop() == 0)
      let begun = ContinuousClock.now
      try await Self.add(cluster, ["three"])
      try await waitUntil("the first goes on") { try await cluster.areApplied(["three"]) }
      #expect(.now - begun < .seconds(12))
      #expect(try await leader.stop() == 0)
    }
  }
}

/// SplitMix64.
private struct Dice: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

extension JSON {
  /// As text with sorted members, without what a server gives each object and what is of its agent's uid.
  fileprivate var plain: String {
    guard case .object(var object) = self else { return "\(self)" }
    for member in ["status", "data"] where member == "status" || object["type"]?.string == "Opaque" { object[member] = nil }
    if case .object(var metadata)? = object["metadata"] {
      for member in ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"] { metadata[member] = nil }
      if case .object(var annotations)? = metadata["annotations"] {
        for name in ["palana.dev/applied", "palana.dev/agent-uid", "palana.dev/seal"] { annotations[name] = nil }
        metadata["annotations"] = .object(annotations)
      }
      if case .object(var labels)? = metadata["labels"] {
        labels["palana.dev/agent-id"] = nil
        metadata["labels"] = .object(labels)
      }
      object["metadata"] = .object(metadata)
    }
    if case .object(var spec)? = object["spec"] {
      for member in ["clusterIP", "clusterIPs", "volumeName"] { spec[member] = nil }
      object["spec"] = .object(spec)
    }
    return JSON.object(object).sorted
  }

  private var sorted: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .number(let value): "\(value)"
    case .string(let text): text.debugDescription
    case .array(let elements): "[\(elements.map(\.sorted).joined(separator: ","))]"
    case .object(let members): "{\(members.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value.sorted)" }.joined(separator: ","))}"
    }
  }
}

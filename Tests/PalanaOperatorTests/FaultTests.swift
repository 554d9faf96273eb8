import Logging
import PalanaCore
import PalanaKube
import PalanaPlan
import Synchronization
import Testing

@testable import PalanaOperator

/// Whatever happens to an operator, the next one ends in the same state. In the same suite: of two operators, each would work on the
/// other's agents.
extension OperatorTests {
  /// Everything in a namespace that an operator says, without what the server gives each object.
  private static func picture(_ client: KubeClient, _ namespace: String) async throws -> [String: JSONValue] {
    var picture: [String: JSONValue] = [:]
    for kind in try await OperatorEngine.kinds(of: client) where kind != .namespace && kind != .endpointSlice {
      for object in try await client.list(kind.resource, Selection(namespace: namespace, labels: AgentLabels.selector)).objects {
        var plain = Kept.comparable(kind, object)
        guard case .object(var members) = plain, var metadata = members["metadata"]?.object else { continue }
        for name in ["uid", "resourceVersion", "creationTimestamp", "generation"] { metadata[name] = nil }
        // Of the agent's uid, which is another one each time.
        if kind == .secret {
          metadata["annotations"] = nil
          members["data"] = nil
        }
        members["metadata"] = .object(metadata)
        // Given by the server.
        if kind == .service { members["spec"] = .object(["ports": members["spec"]?["ports"] ?? .null]) }
        plain = .object(members)
        picture["\(kind.rawValue) \(object.name)"] = plain
      }
    }
    return picture
  }

  /// An operator that is gone after its first write: what it wrote stands, and it never learns of it.
  private static func life(_ client: KubeClient, until isDone: @escaping @Sendable () async throws -> Bool) async throws -> Bool {
    let (deaths, death) = AsyncStream.makeStream(of: Void.self)
    let writes = WatchedWrites(client) { number, _ in
      guard number > 1 else { return nil }
      death.yield(())
      return KubeError(.unreachable, "this operator is no more")
    }
    return try await TestCluster.operating(client, writes) {
      try await withThrowingTaskGroup(of: Bool.self) { group in
        group.addTask {
          _ = await deaths.first { _ in true }
          return false
        }
        group.addTask {
          try await TestCluster.until("it is done") { try await isDone() }
          return true
        }
        defer { group.cancelAll() }
        return try await group.next() ?? false
      }
    }
  }

  @Test func anOperatorThatDiesAfterEveryWriteGetsThere() async throws {
    try await TestCluster.run { client, namespace in
      let home = try TestCluster.namespace(of: "demo")
      @Sendable func isSettled() async throws -> Bool {
        let agent = try await client.find(ClusterKinds.agents, "demo", in: namespace)
        let conditions = agent?["status"]?["conditions"]?.array ?? []
        return conditions.contains { $0["type"] == "Applied" && $0["status"] == "True" }
      }
      func make() async throws {
        _ = try await client.create(ClusterKinds.agents, TestCluster.agent("demo", in: namespace))
      }
      try await make()
      try await TestCluster.operating(client) { try await TestCluster.until("it is there") { try await isSettled() } }
      let wanted = try await Self.picture(client, home)
      #expect(wanted.count == 13)
      _ = try await client.patch(
        ClusterKinds.agents, "demo", in: namespace, .merge(["metadata": ["annotations": ["palana.dev/purge": "true"]]]))
      try await client.delete(ClusterKinds.agents, "demo", in: namespace)
      @Sendable func isGone() async throws -> Bool { try await client.find(ClusterKinds.agents, "demo", in: namespace) == nil }
      var lives = 0
      while try await !Self.life(client, until: isGone) {
        lives += 1
        try #require(lives < 60)
      }
      #expect(lives > 5)
      #expect(try await client.find(KubernetesManifest.Kind.namespace.resource, home) == nil)

      try await make()
      lives = 0
      while try await !Self.life(client, until: isSettled) {
        lives += 1
        try #require(lives < 60)
      }
      // One for each object and more.
      #expect(lives > 13)
      #expect(try await Self.picture(client, home) == wanted)
    }
  }

  /// Cut off by order after order of an operator that dies at each step, and let back in the same way.
  @Test func anOperatorThatDiesAfterEveryWriteCutsAndLetsBack() async throws {
    try await TestCluster.run { client, namespace in
      let home = try TestCluster.namespace(of: "demo")
      let policies = KubernetesManifest.Kind.networkPolicy.resource
      let workloads = KubernetesManifest.Kind.statefulSet.resource
      @Sendable func phase() async throws -> String? { try await TestCluster.phase(client, "demo", in: namespace) }
      _ = try await client.create(ClusterKinds.agents, TestCluster.agent("demo", in: namespace))
      try await TestCluster.operating(client) { try await TestCluster.until("it is there") { try await phase() == "Pending" } }
      let wanted = try await Self.picture(client, home)
      #expect(wanted.count == 13)
      var order = KubeObject(ClusterKinds.orders, name: "alice")
      order["spec"] = [
        "target": ["owner": "alice@example.com"], "reason": "a test", "by": "sec@example.com", "at": "2026-11-27T10:00:00Z",
      ]
      _ = try await client.create(ClusterKinds.orders, order)
      @Sendable func isCut() async throws -> Bool {
        let names = try await client.list(policies, Selection(namespace: home)).objects.map(\.name)
        let workload = try await client.get(workloads, "agent", in: home)
        guard names == ["default-deny"], workload["spec"]?["replicas"] == 0 else { return false }
        return try await phase() == "Killed"
      }
      var lives = 0
      while try await !Self.life(client, until: isCut) {
        lives += 1
        try #require(lives < 30)
      }
      // The policy, the process, the status.
      #expect(lives >= 2)
      try await client.delete(ClusterKinds.orders, "alice")
      @Sendable func isBack() async throws -> Bool {
        guard try await phase() == "Pending" else { return false }
        return try await client.find(policies, "paths", in: home) != nil
      }
      lives = 0
      while try await !Self.life(client, until: isBack) {
        lives += 1
        try #require(lives < 30)
      }
      #expect(lives >= 2)
      #expect(try await Self.picture(client, home) == wanted)
    }
  }

  @Test func refusalsOfAllKindsAreGotOver() async throws {
    let errors = [
      KubeError(.conflict, status: 409, "somebody was faster"), KubeError(.server, status: 500, "no"),
      KubeError(.throttled, status: 429, "later", retryAfter: .milliseconds(20)), KubeError(.unreachable, "gone"),
    ]
    try await TestCluster.run { client, namespace in
      let writes = WatchedWrites(client) { number, _ in
        number.isMultiple(of: 3) && number <= 24 ? errors[number / 3 % errors.count] : nil
      }
      try await TestCluster.operating(client, writes) {
        _ = try await client.create(ClusterKinds.agents, TestCluster.agent("demo", in: namespace))
        try await TestCluster.until("it is there all the same") {
          let agent = try await client.find(ClusterKinds.agents, "demo", in: namespace)
          return agent?["status"]?["conditions"]?.array?.contains { $0["type"] == "Applied" && $0["status"] == "True" } ?? false
        }
      }
      #expect(try await Self.picture(client, TestCluster.namespace(of: "demo")).count == 13)
    }
  }

  @Test func whoLeadsNoMoreStops() async throws {
    try await TestCluster.run { client, namespace in
      var options = LeaderElection.Options()
      options.retry = .milliseconds(200)
      let election = LeaderElection(
        client, namespace: namespace, name: "operator", identity: "first", options: options, logger: Logger(label: "test"))
      let writes = WatchedWrites(client)
      let engine = OperatorEngine(
        client, try TestCluster.configuration(), kinds: try await OperatorEngine.kinds(of: client), audit: Trail(), cluster: writes,
        logger: Logger(label: "test"))
      _ = try await client.create(ClusterKinds.agents, TestCluster.agent("demo", in: namespace))
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await election.lead { await engine.run() } }
        try await TestCluster.until("it works") { !writes.writes.isEmpty }
        _ = try await client.patch(
          LeaderElection.leases, "operator", in: namespace,
          .merge(["spec": ["holderIdentity": "second", "leaseDurationSeconds": 60]]))
        // Everything of it has ended when this comes back.
        try await group.next()
      }
      let count = writes.writes.count
      try await client.delete(KubernetesManifest.Kind.role.resource, "agent-owner", in: try TestCluster.namespace(of: "demo"))
      #expect(writes.writes.count == count)
      #expect(try await client.get(LeaderElection.leases, "operator", in: namespace)["spec"]?["holderIdentity"] == "second")
    }
  }

  /// What an operator that was killed asked for is counted for minutes, whether it came to be or not.
  @Test func aQuotaThatCountsWhatIsNotThereIsMadeAnew() async throws {
    try await TestCluster.run { client, namespace in
      let home = try TestCluster.namespace(of: "demo")
      let quotas = KubernetesManifest.Kind.resourceQuota.resource
      try await TestCluster.operating(client) {
        _ = try await client.create(ClusterKinds.agents, TestCluster.agent("demo", in: namespace, ["ports": []]))
        try await TestCluster.until("it is counted") {
          try await client.find(quotas, "agent", in: home)?["status"]?["used"]?["persistentvolumeclaims"] == "1"
        }
        let before = try await client.patch(
          quotas, "agent", in: home, .merge(["status": ["used": ["services": "1"]]]), subresource: "status")
        _ = try await client.patch(
          ClusterKinds.agents, "demo", in: namespace, .merge(["spec": ["ports": [["name": "http", "port": 80]]]]))
        try await TestCluster.until("it has its service") {
          try await client.find(KubernetesManifest.Kind.service.resource, "agent", in: home) != nil
        }
        try await TestCluster.until("it has another quota") {
          try await client.find(quotas, "agent", in: home).map { $0.uid != before.uid } ?? false
        }
      }
    }
  }
}

import Foundation
import PalanaAPI
import PalanaCore
import PalanaKube
import PalanaPlan
import Testing

@testable import PalanaOperator
@testable import PalanaSecrets

/// The rights of agents in a real OpenBao, with tokens of real service accounts, under the rights of the operator.
@Suite(.enabled(if: TestCluster.isPresent && TestVault.isPresent), .serialized, .timeLimit(.minutes(10)))
struct AgentGrantsTests {
  private struct World {
    let cluster: KubeClient
    let vault: TestVault
    let `operator`: VaultClient
    let control: VaultClient
    let grants: AgentGrants
  }

  private static func run(_ body: @Sendable (World) async throws -> Void) async throws {
    try await TestCluster.run { cluster, namespace in
      try await TestVault.run { vault in
        _ = try await TestVault.setup(cluster, namespace: namespace).run(vault.root, isDry: false)
        for name in ["palana-operator", "palana-control"] { try await TestVault.account(cluster, name, in: namespace) }
        let own = try await vault.login(cluster, "palana-operator", in: namespace, role: "palana-operator")
        let control = try await vault.login(cluster, "palana-control", in: namespace, role: "palana-control")
        try await body(
          World(
            cluster: cluster, vault: vault, operator: own, control: control, grants: try AgentGrants(store: own, mount: "kubernetes")))
      }
    }
  }

  private static func path(_ owner: String, _ agent: String, _ secret: String) throws -> SecretPath {
    SecretPath(area: .agents, owner: try UserIdentity(owner), agent: try ResourceName(agent), secret: secret)
  }

  private static func grant(_ owner: String, _ agent: String, _ secrets: [String]) throws -> AgentGrant {
    let (owner, agent) = (try UserIdentity(owner), try ResourceName(agent))
    return try AgentGrant(
      owner: owner, agent: agent, namespace: AgentNamespace.name(owner: owner, agent: agent), serviceAccount: "agent", audience: "vault",
      secrets: secrets)
  }

  private static func code(_ body: () async throws -> Void) async -> PalanaError.Code? {
    do { try await body() } catch { return (error as? PalanaError)?.code ?? .failed }
    return nil
  }

  /// Everybody reads exactly their own, whatever others are called.
  @Test func nobodyReadsWhatIsAnothers() async throws {
    try await Self.run { world in
      let agents = [
        ("a", "a"), ("a", "ab"), ("a", "a-b"), ("ab", "a"), ("a/a", "a"), ("*", "a"), ("+", "a"), ("..", "a"), ("é", "a"),
        ("e\u{301}", "a"),
        ("a*", "a"), ("=2A", "a"),
      ]
      var clients: [VaultClient] = []
      for (owner, agent) in agents {
        try await world.control.write(KVPath(Self.path(owner, agent, "DB")), ["k": Redacted("of \(owner) \(agent)")], cas: 0)
        try await world.control.write(KVPath(Self.path(owner, agent, "OTHER")), ["k": Redacted("not bound")], cas: 0)
        let grant = try Self.grant(owner, agent, ["DB"])
        #expect(try await world.grants.ensure(grant) == .given)
        #expect(try await world.grants.ensure(grant) == .same)
        try await TestVault.account(world.cluster, "agent", in: grant.namespace)
        clients.append(try await world.vault.login(world.cluster, "agent", in: grant.namespace, role: grant.name))
      }
      for (index, client) in clients.enumerated() {
        for (other, (owner, agent)) in agents.enumerated() {
          let (path, folder) = (
            KVPath(try Self.path(owner, agent, "DB")),
            KVPath.folder(.agents, owner: try UserIdentity(owner), agent: try ResourceName(agent))
          )
          let what = "\(agents[index]) asks for that of \(owner) \(agent)"
          if index == other {
            #expect(try await client.read(path).values["k"]?.reveal() == "of \(owner) \(agent)", "\(what)")
            #expect(try await client.list(folder).sorted() == ["DB", "OTHER"], "\(what)")
          } else {
            #expect(await Self.code { _ = try await client.read(path) } == .denied, "\(what)")
            #expect(await Self.code { _ = try await client.list(folder) } == .denied, "\(what)")
          }
        }
        let (owner, agent) = agents[index]
        let unbound = KVPath(try Self.path(owner, agent, "OTHER"))
        #expect(await Self.code { _ = try await client.read(unbound) } == .denied, "what is not bound, \(owner) \(agent)")
        #expect(await Self.code { try await client.write(unbound, ["k": Redacted("x")], cas: 1) } == .denied)
      }
      // Another service account of the namespace, another namespace, another audience, another one's role.
      let (mine, others) = (try Self.grant("a", "a", ["DB"]), try Self.grant("a", "ab", ["DB"]))
      try await TestVault.account(world.cluster, "default-2", in: mine.namespace)
      let attempts: [(String, String, String, String)] = [
        ("default-2", mine.namespace, "vault", mine.name), ("agent", others.namespace, "vault", mine.name),
        ("agent", mine.namespace, "", mine.name),
        ("agent", mine.namespace, "vault", others.name), ("agent", mine.namespace, "vault", "palana-operator"),
      ]
      for (account, namespace, audience, role) in attempts {
        let client = try await world.vault.login(world.cluster, account, in: namespace, role: role, audience: audience)
        #expect(await Self.code { _ = try await client.tokenFacts() } == .denied, "\(account) of \(namespace) for ‘\(audience)’ as \(role)")
      }
    }
  }

  /// Tokens of before stay worthless, also when the agent may read again; and nobody is told apart from one that is no more.
  @Test func whatIsTakenAwayIsGoneForOldTokens() async throws {
    try await Self.run { world in
      let grant = try Self.grant("a", "a", ["DB"])
      let other = try Self.grant("a", "a-b", ["DB"])
      let path = KVPath(try Self.path("a", "a", "DB"))
      for name in ["a", "a-b"] { try await world.control.write(KVPath(try Self.path("a", name, "DB")), ["k": Redacted("v")], cas: 0) }
      for grant in [grant, other] {
        _ = try await world.grants.ensure(grant)
        try await TestVault.account(world.cluster, "agent", in: grant.namespace)
      }
      let client = try await world.vault.login(world.cluster, "agent", in: grant.namespace, role: grant.name)
      let beside = try await world.vault.login(world.cluster, "agent", in: other.namespace, role: other.name)
      _ = try await client.read(path)
      guard case .session(let session) = client.tokens else { return }
      let stolen = VaultClient(server: world.vault.server, tokens: .fixed(try await session.token()))
      _ = try await stolen.read(path)

      for _ in 0..<2 { try await world.grants.withdraw(grant.name) }
      #expect(await Self.code { _ = try await stolen.read(path) } == .denied)
      #expect(await Self.code { _ = try await client.read(path) } == .denied)
      #expect(try await world.grants.roles() == [other.name])
      _ = try await beside.read(KVPath(try Self.path("a", "a-b", "DB")))

      #expect(try await world.grants.ensure(grant) == .given)
      _ = try await client.read(path)
      #expect(await Self.code { _ = try await stolen.read(path) } == .denied)
    }
  }

  @Test func whatOthersChangeInTheStoreIsMended() async throws {
    try await Self.run { world in
      let grant = try Self.grant("a", "a", ["DB"])
      let role = "auth/kubernetes/role/\(grant.name)"
      _ = try await world.grants.ensure(grant)
      let policy = try #require(try await world.vault.root.kubernetesRole(grant.name, at: "kubernetes")?.policies.first)
      try await world.vault.write(role, ["bound_service_account_namespaces": "*", "token_ttl": "999h", "token_max_ttl": "9999h"])
      #expect(
        try await world.grants.ensure(grant) == .changed(["bound_service_account_namespaces", "token_ttl", "token_max_ttl"]))
      try await world.vault.root.writePolicy(policy, "path \"kv/*\" { capabilities = [\"read\"] }")
      #expect(try await world.grants.ensure(grant) == .changed(["policy"]))
      try await world.vault.write(role, ["token_policies": ["palana-gateway", .string(policy)]])
      #expect(try await world.grants.ensure(grant) == .changed(["token_policies"]))
      try await world.vault.root.deleteKubernetesRole(grant.name, at: "kubernetes")
      #expect(try await world.grants.ensure(grant) == .given)
      #expect(try await world.grants.ensure(grant) == .same)
      // Of all that, one policy is left.
      let left = try await world.vault.root.names(below: "sys/policies/acl").filter { AgentGrant.isPolicy($0, of: grant.name) }
      #expect(left.count == 1 && left != [policy])
      // A change of what is wanted keeps the tokens that there are.
      let more = try Self.grant("a", "a", ["DB", "TLS"])
      #expect(try await world.grants.ensure(more) == .changed(["policy"]))
    }
  }

  /// What stands in the pod follows the store: values, removals, bindings, and a kill.
  @Test func theFilesFollowTheStore() async throws {
    try await Self.run { world in
      let (owner, name) = (try UserIdentity("a"), try ResourceName("a"))
      let secrets = AgentSecrets(store: world.control)
      func add(_ secret: String, _ values: [String: String]) async throws {
        try await secrets.add(
          owner: owner, agent: name, secret: secret, access: .agentReadable, values: values.mapValues { Redacted($0) })
      }
      try await add("DB", ["user": "u", "password": "p"])
      try await add("ONE", ["any": "1"])
      try await add("UNBOUND", ["any": "never"])
      let grant = try Self.grant("a", "a", ["DB", "ONE"])
      try await TestVault.account(world.cluster, "agent", in: grant.namespace)
      let path = world.vault.folder + "/secrets"
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      let follower = SecretFollower(
        store: try await world.vault.login(world.cluster, "agent", in: grant.namespace, role: grant.name), owner: owner, agent: name,
        folder: SecretFolder(path: path), logger: TestVault.logger)
      func files() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: path).filter { !$0.hasPrefix(".") }.sorted()
      }
      func text(_ file: String) throws -> String { try String(contentsOfFile: "\(path)/\(file)", encoding: .utf8) }
      // Before the operator gave anything.
      #expect(try await follower.look() == .refused)
      _ = try await world.grants.ensure(grant)
      try await follower.first()
      #expect(try files() == ["DB", "ONE"] && text("DB/user") == "u" && text("DB/password") == "p" && text("ONE") == "1")
      #expect(try await follower.look() == .followed(changed: false))
      try await secrets.rotate(owner: owner, agent: name, secret: "DB", access: .agentReadable, values: ["password": Redacted("p2")])
      #expect(try await follower.look() == .followed(changed: true))
      #expect(try text("DB/user") == "u" && text("DB/password") == "p2")
      try await secrets.remove(owner: owner, agent: name, secret: "ONE", access: .agentReadable)
      #expect(try await follower.look() == .followed(changed: true))
      #expect(try files() == ["DB"])
      // While the store is away nothing is lost.
      world.vault.stop()
      #expect(await Self.code { _ = try await follower.look() } == .unreachable)
      #expect(try files() == ["DB"])
      try await world.vault.start()
      #expect(try await follower.look() == .followed(changed: false))
      // A binding that goes takes the file, a kill all of them.
      try await add("ONE", ["any": "1"])
      #expect(try await follower.look() == .followed(changed: true))
      _ = try await world.grants.ensure(try Self.grant("a", "a", ["ONE"]))
      #expect(try await follower.look() == .followed(changed: true))
      #expect(try files() == ["ONE"])
      try await world.grants.withdraw(grant.name)
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await follower.follow(every: .milliseconds(10)) }
        try await TestCluster.until("no file is left") { try files().isEmpty }
        group.cancelAll()
      }
    }
  }

  /// From the agent's objects to its rights, with a store that goes away in between.
  @Test func theOperatorGivesAndTakesThem() async throws {
    try await Self.run { world in
      let namespace = "people-" + RandomToken.hex(bytes: 4)
      try await TestVault.account(world.cluster, "unused", in: namespace)
      let client = world.cluster
      let keeper = GrantKeeper(world.grants, audience: "vault", refresh: .seconds(2), patience: .milliseconds(200))
      let grant = try Self.grant("alice@example.com", "demo", ["DB"])
      let path = KVPath(try Self.path("alice@example.com", "demo", "DB"))
      try await world.control.write(path, ["k": Redacted("v")], cas: 0)
      @Sendable func condition() async throws -> String? {
        try await client.find(ClusterKinds.agents, "demo", in: namespace)?["status"]?["conditions"]?.array?
          .first { $0["type"]?.string == AgentStatus.secretsReadable }?["reason"]?.string
      }
      @Sendable func hasRole() async throws -> Bool { try await world.vault.root.kubernetesRole(grant.name, at: "kubernetes") != nil }
      var binding = KubeObject(ClusterKinds.bindings, namespace: namespace, name: "demo-db")
      binding["spec"] = [
        "owner": "alice@example.com", "agent": "demo", "secret": "DB", "access": "agent-readable", "keys": [["key": "k"]], "hosts": [],
        "places": [], "revision": 1,
      ]
      let bound = binding
      try await TestCluster.operating(client, grants: keeper) {
        _ = try await client.create(ClusterKinds.bindings, bound)
        _ = try await client.create(ClusterKinds.agents, TestCluster.agent("demo", in: namespace))
        try await TestCluster.until("it may read") { try await condition() == "Granted" }
        let agent = try await world.vault.login(client, "agent", in: grant.namespace, role: grant.name)
        let value = try await agent.read(path).values["k"]?.reveal()
        #expect(value == "v")

        // A kill takes it away from who has it, and its end gives it again.
        var order = KubeObject(ClusterKinds.orders, name: "incident")
        order["spec"] = [
          "target": ["owner": "alice@example.com"], "reason": "test", "by": "bob@example.com", "at": "2026-01-01T00:00:00Z",
        ]
        _ = try await client.create(ClusterKinds.orders, order)
        try await TestCluster.until("a kill takes it away") { await Self.code { _ = try await agent.read(path) } == .denied }
        #expect(try await !hasRole())
        try await client.delete(ClusterKinds.orders, "incident")
        try await TestCluster.until("it may read again") { await Self.code { _ = try await agent.read(path) } == nil }

        // Without its binding the value that is still there is not its own any more.
        try await client.delete(ClusterKinds.bindings, "demo-db", in: namespace)
        try await TestCluster.until("its rights are gone") { try await !hasRole() }
        try await TestCluster.until("nothing is said of them") { try await condition() == nil }

        // While the store is down everything else goes on.
        world.vault.stop()
        _ = try await client.create(ClusterKinds.bindings, bound)
        try await TestCluster.until("it says what is missing") { try await condition() == "SecretStoreUnavailable" }
        let applied = try await client.get(ClusterKinds.agents, "demo", in: namespace)["status"]?["conditions"]?.array?
          .first { $0["type"] == "Applied" }
        #expect(applied?["status"] == "True")
        try await world.vault.start()
        try await TestCluster.until("it may read when the store is back") { try await condition() == "Granted" }

        try await client.delete(ClusterKinds.agents, "demo", in: namespace)
        try await TestCluster.until("it is gone") { try await client.find(ClusterKinds.agents, "demo", in: namespace) == nil }
        #expect(try await !hasRole())
        let left = try await world.vault.root.names(below: "sys/policies/acl").filter { AgentGrant.isPolicy($0, of: grant.name) }
        #expect(left.isEmpty)
      }
      try await client.delete(KubernetesManifest.Kind.namespace.resource, namespace)
    }
  }
}

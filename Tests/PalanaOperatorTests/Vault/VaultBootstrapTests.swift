import Foundation
import PalanaCore
import PalanaKube
import PalanaPlan
import Testing

@testable import PalanaOperator
@testable import PalanaSecrets

/// What `palanad vault bootstrap` makes of a real OpenBao, and who can log in then with a real service account.
@Suite(.enabled(if: TestCluster.isPresent && TestVault.isPresent), .serialized, .timeLimit(.minutes(10)))
struct VaultBootstrapTests {
  private static func code(_ body: () async throws -> Void) async -> PalanaError.Code? {
    do { try await body() } catch { return (error as? PalanaError)?.code ?? .failed }
    return nil
  }

  private static func findings(_ reports: [SetupReport]) -> [SetupFinding] { reports.map(\.finding) }

  @Test func aSecondRunFindsNothingToDo() async throws {
    try await TestCluster.run { cluster, namespace in
      try await TestVault.run { vault in
        let setup = try await TestVault.setup(cluster, namespace: namespace)
        let count = setup.items.count
        for _ in 0..<2 {
          #expect(Self.findings(try await setup.run(vault.root, isDry: true)) == Array(repeating: .missing, count: count))
        }
        #expect(Self.findings(try await setup.run(vault.root, isDry: false)) == Array(repeating: .missing, count: count))
        for isDry in [true, false] {
          #expect(Self.findings(try await setup.run(vault.root, isDry: isDry)) == Array(repeating: .asWanted, count: count))
        }
        // What somebody widened is said and mended.
        let role = "auth/kubernetes/role/palana-gateway"
        try await vault.write(role, ["bound_service_account_namespaces": "*", "audience": "other", "token_policies": "root-like"])
        try await vault.write("sys/policies/acl/palana-control", ["policy": "path \"*\" { capabilities = [\"sudo\"] }"])
        try await vault.write("kv/config", ["max_versions": "7"])
        let mended = try await setup.run(vault.root, isDry: false).filter { $0.finding != .asWanted }
        #expect(
          mended == [
            SetupReport(what: "settings of kv/", finding: .different(["max_versions"])),
            SetupReport(
              what: "role palana-gateway", finding: .different(["bound_service_account_namespaces", "audience", "token_policies"])),
            SetupReport(what: "policy palana-control", finding: .different(["policy"])),
          ])
        #expect(Self.findings(try await setup.run(vault.root, isDry: false)) == Array(repeating: .asWanted, count: count))
      }
    }
  }

  @Test func thePrintedRightsAreEnoughAndLessIsNamed() async throws {
    try await TestCluster.run { cluster, namespace in
      try await TestVault.run { vault in
        let setup = try await TestVault.setup(cluster, namespace: namespace)
        let enough = try await vault.client(policy: SecretPolicy.text(setup.rights + SecretPolicy.forBootstrap))
        for left in setup.rights {
          let client = try await vault.client(
            policy: SecretPolicy.text(setup.rights.filter { $0 != left } + SecretPolicy.forBootstrap))
          do {
            _ = try await setup.run(client, isDry: false)
            Issue.record("it went without \(left.path)")
          } catch let error as PalanaError {
            #expect(error.code == .denied && error.message.contains("\(left.path) ("), "\(error)")
          }
        }
        // Nothing was written by those.
        #expect(Self.findings(try await setup.run(enough, isDry: true)).allSatisfy { $0 == .missing })
        _ = try await setup.run(enough, isDry: false)
        #expect(Self.findings(try await setup.run(enough, isDry: false)).allSatisfy { $0 == .asWanted })
      }
    }
  }

  @Test func whatIsOthersIsNotTakenOver() async throws {
    try await TestCluster.run { cluster, namespace in
      let setup = try await TestVault.setup(cluster, namespace: namespace)
      func refusal(_ prepare: (TestVault) async throws -> Void) async throws -> String {
        try await TestVault.run { vault in
          try await prepare(vault)
          do {
            _ = try await setup.run(vault.root, isDry: false)
          } catch let error as PalanaError {
            #expect(error.code == .conflict)
            // Nothing else was made either.
            #expect(try await vault.root.policy("palana-gateway") == nil)
            return error.message
          }
          return ""
        }
      }
      #expect(try await refusal { try await $0.write("sys/mounts/kv", ["type": "kv"]) }.contains("not kv of version 2"))
      #expect(try await refusal { try await $0.write("sys/mounts/kv", ["type": "transit"]) }.contains("transit"))
      #expect(try await refusal { try await $0.write("sys/auth/kubernetes", ["type": "approle"]) }.contains("approle"))
      let other = try await refusal { vault in
        try await vault.write("sys/auth/kubernetes", ["type": "kubernetes"])
        try await vault.write(
          "auth/kubernetes/config",
          ["kubernetes_host": "https://other.example:6443", "kubernetes_ca_cert": .string(setup.kubernetesCA ?? "")])
      }
      #expect(other.contains("kubernetes_host"))
      let foreign = try await refusal { vault in
        try await vault.root.mountKV()
        try await TestCluster.until("the engine is ready") {
          (try? await vault.write("kv/data/billing/db", ["data": ["password": "x"]])) != nil
        }
      }
      #expect(foreign.contains("billing/"))
    }
  }

  @Test func exactlyThePlatformsServiceAccountsLogIn() async throws {
    try await TestCluster.run { cluster, namespace in
      try await TestVault.run { vault in
        let setup = try await TestVault.setup(cluster, namespace: namespace)
        _ = try await setup.run(vault.root, isDry: false)
        let other = namespace + "-other"
        for name in ["palana-gateway", "palana-control", "palana-operator"] {
          try await TestVault.account(cluster, name, in: namespace)
          try await TestVault.account(cluster, name, in: other)
        }
        /// Service account, namespace, audience and role; whether it may.
        let attempts: [(String, String, String, String, Bool)] = [
          ("palana-gateway", namespace, "vault", "palana-gateway", true), ("palana-control", namespace, "vault", "palana-control", true),
          ("palana-operator", namespace, "vault", "palana-operator", true), ("palana-gateway", other, "vault", "palana-gateway", false),
          ("palana-control", namespace, "vault", "palana-gateway", false), ("palana-gateway", namespace, "vault", "palana-operator", false),
          ("palana-gateway", namespace, "", "palana-gateway", false), ("palana-gateway", namespace, "other", "palana-gateway", false),
          ("reviewer", namespace, "vault", "palana-gateway", false), ("palana-gateway", namespace, "vault", "none", false),
        ]
        for (account, space, audience, role, isAllowed) in attempts {
          let client = try await vault.login(cluster, account, in: space, role: role, audience: audience)
          let code = await Self.code {
            let policies = try await client.tokenFacts().policies
            #expect(policies == [role])
          }
          #expect(code == (isAllowed ? nil : .denied), "\(account) of \(space) for ‘\(audience)’ as \(role)")
        }
        // A token of a service account that is no more is none.
        try await TestVault.account(cluster, "palana-gateway", in: namespace)
        let late = try await vault.login(cluster, "palana-gateway", in: namespace, role: "palana-gateway")
        try await cluster.delete(KubeResource("", "v1", "serviceaccounts", kind: "ServiceAccount"), "palana-gateway", in: namespace)
        #expect(await Self.code { _ = try await late.tokenFacts() } == .denied)
        try await cluster.delete(KubernetesManifest.Kind.namespace.resource, other)
      }
    }
  }

  /// What each may do in the store, and above all what the operator may not.
  @Test func eachMayDoItsWorkAndNothingElse() async throws {
    try await TestCluster.run { cluster, namespace in
      try await TestVault.run { vault in
        _ = try await TestVault.setup(cluster, namespace: namespace).run(vault.root, isDry: false)
        var clients: [String: VaultClient] = [:]
        for name in ["gateway", "control", "operator"] {
          try await TestVault.account(cluster, "palana-\(name)", in: namespace)
          clients[name] = try await vault.login(cluster, "palana-\(name)", in: namespace, role: "palana-\(name)")
        }
        let path = SecretPath(
          area: .agents, owner: try UserIdentity("alice@example.com"), agent: try ResourceName("demo"), secret: "DB")
        let proxy = SecretPath(area: .proxySecrets, owner: path.owner, agent: path.agent, secret: path.secret)
        let control = try #require(clients["control"])
        try await control.write(KVPath(path), ["k": Redacted("v")], cas: 0)
        try await control.write(KVPath(proxy), ["k": Redacted("v")], cas: 0)
        let role = "palana-agent-x-demo-0123456789"
        let body: JSONValue = [
          "bound_service_account_names": "agent", "bound_service_account_namespaces": "agent-x", "token_policies": "default",
        ]
        let attempts: [(String, Set<String>, @Sendable (VaultClient) async throws -> Void)] = [
          ("read what agents read", [], { _ = try await $0.read(KVPath(path)) }),
          ("read what the gateway reads", ["gateway"], { _ = try await $0.read(KVPath(proxy)) }),
          ("list", ["control"], { _ = try await $0.list(.folder(.agents, owner: path.owner, agent: path.agent)) }),
          ("write", ["control"], { try await $0.patch(KVPath(path), ["k": Redacted("w")], cas: 1) }),
          ("write a policy of an agent", ["operator"], { try await $0.writePolicy("\(role).00000000", "path \"x\" {}") }),
          ("write its own policy", [], { try await $0.writePolicy("palana-operator", "path \"*\" {}") }),
          ("write another policy", [], { try await $0.writePolicy("default", "path \"x\" {}") }),
          ("write a policy of the platform", [], { try await $0.writePolicy("palana-agents", "path \"x\" {}") }),
          ("write a role of an agent", ["operator"], { try await $0.post("auth/kubernetes/role/\(role)", body) }),
          ("write its own role", [], { try await $0.post("auth/kubernetes/role/palana-operator", body) }),
          ("write another role", [], { try await $0.post("auth/kubernetes/role/agent-x", body) }),
          ("change who is asked about tokens", [], { try await $0.post("auth/kubernetes/config", ["kubernetes_host": "https://x"]) }),
          ("mount", [], { try await $0.post("sys/mounts/other", ["type": "kv"]) }),
          ("make a token", [], { try await $0.post("auth/token/create", [:]) }),
        ]
        for (what, allowed, attempt) in attempts {
          for (name, client) in clients {
            let code = await Self.code { try await attempt(client) }
            #expect(code == (allowed.contains(name) ? nil : .denied), "\(what) by \(name)")
          }
        }
      }
    }
  }
}

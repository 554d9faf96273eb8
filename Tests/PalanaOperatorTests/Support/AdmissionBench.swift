import KubeTestServer
import Logging
import PalanaAPI
import PalanaCore
import PalanaKube
import PalanaPlan
import Synchronization

@testable import PalanaOperator

/// The webhooks of one process, told to a real API server, while a test asks it for things.
struct AdmissionBench: Sendable {
  static let alice = "alice@example.com"
  static let bob = "bob@example.com"

  /// An administrator.
  let client: KubeClient
  /// The operator, by the token of its account and with its rights.
  let operation: KubeClient
  /// Where the test's agents stand.
  let namespace: String
  let configuration: AdmissionConfiguration
  let registry: AgentRegistry
  let trail: Trail

  func person(_ name: String, groups: [String] = []) -> KubeClient {
    client.impersonating(Impersonation(user: name, groups: groups + ["system:authenticated", Self.writers]))
  }

  var engine: KubeClient { person(configuration.parties.engine) }

  /// People of this group may write everything, as far as rights go: what they are refused, admission refuses.
  static let writers = "writers"

  static func configuration(port: Int, _ change: (inout AdmissionConfiguration) throws -> Void = { _ in }) throws -> AdmissionConfiguration
  {
    let facts = try TestCluster.configuration()
    var configuration = AdmissionConfiguration(
      parties: Parties(administrators: [try UserIdentity("root@example.com")]), reach: .url("https://127.0.0.1:\(port)"),
      host: "127.0.0.1", port: port, images: try AllowedImages(), userID: facts.cluster.userID,
      hasUserNamespaces: facts.cluster.hasUserNamespaces, platform: facts.platform)
    try change(&configuration)
    return configuration
  }

  /// - Parameters:
  ///   - hasPolicies: whether the second line is there too; it is asked first, so without it the answers are the webhooks'.
  ///   - change: of the configuration, before anything begins.
  ///   - afterwards: when nobody serves the webhooks any more, and what the API server was told of them is still there.
  static func run(
    interval: Duration = .seconds(30), hasPolicies: Bool = true,
    _ change: @Sendable (inout AdmissionConfiguration) throws -> Void = { _ in }, _ body: @Sendable (AdmissionBench) async throws -> Void,
    afterwards: @Sendable (AdmissionBench) async throws -> Void = { _ in }
  ) async throws {
    try await TestCluster.run(on: .admitting) { client, namespace in
      try await prepare(client)
      let result: Result<Void, any Error>
      let server = try await OperatorAccount.server(client)
      do {
        let operation = KubeClient(server, fieldManager: OperatorName.fieldManager)
        try await afterwards(try await serve(client, operation, namespace, interval, hasPolicies, change, body))
        result = .success(())
      } catch {
        result = .failure(error)
      }
      await server.close()
      try await clear(client)
      try result.get()
    }
  }

  private static func serve(
    _ client: KubeClient, _ operation: KubeClient, _ namespace: String, _ interval: Duration, _ hasPolicies: Bool,
    _ change: @Sendable (inout AdmissionConfiguration) throws -> Void,
    _ body: @Sendable (AdmissionBench) async throws -> Void
  ) async throws -> AdmissionBench {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let log = logger
    let (certificate, bundle, registry, trail) = (ServingCertificate(), TrustBundle(), AgentRegistry(), Trail())
    let first = try configuration(port: 1, change)
    try await CertificateKeeper(operation, first, certificate: certificate, bundle: bundle, logger: log).prepared()
    let (ports, port) = AsyncStream.makeStream(of: Int.self)
    return try await withThrowingTaskGroup(of: Void.self) { group in
      let judge = AdmissionJudge(first, registry: registry, namespaceOwner: AdmissionJudge.owner(operation))
      group.addTask {
        try await AdmissionServer(judge: judge, registry: registry, certificate: certificate, logger: log).run(host: "127.0.0.1", port: 0) {
          port.yield($0)
        }
      }
      group.addTask { await registry.run(operation, logger: log) }
      let chosen = await ports.first { _ in true } ?? 0
      let configuration = try configuration(port: chosen, change)
      group.addTask {
        await CertificateKeeper(operation, configuration, certificate: certificate, bundle: bundle, interval: interval, logger: log).run()
      }
      group.addTask {
        await RegistrationKeeper(operation, configuration, bundle: bundle, hasPolicies: hasPolicies, audit: trail, logger: log).run()
      }
      try await TestCluster.until("the agents are known") { registry.isSynced }
      let bench = AdmissionBench(
        client: client, operation: operation, namespace: namespace, configuration: configuration, registry: registry, trail: trail)
      try await bench.untilInForce(hasPolicies)
      try await body(bench)
      group.cancelAll()
      return bench
    }
  }

  /// Waits until the API server asks the webhooks and evaluates the policies: both reach its own memory a moment after they are written.
  private func untilInForce(_ hasPolicies: Bool) async throws {
    let nobody = person("nobody@example.com")
    let probe = "probe"
    try await TestCluster.until("the webhook of agents is asked") {
      let answer = try? await nobody.create(ClusterKinds.agents, TestCluster.agent(probe, in: namespace, ["owner": .null]), dryRun: true)
      return answer?["spec"]?["owner"] == "nobody@example.com"
    }
    try await TestCluster.until("the judges are heard") {
      let answer = await Self.refusal {
        _ = try await nobody.create(ClusterKinds.agents, TestCluster.agent(probe, in: namespace), dryRun: true)
      }
      return answer?.contains(hasPolicies ? "'palana-agents'" : "is not you") == true
    }
    guard hasPolicies else { return }
    // The last one of the list, and one whose refusal shows that it is evaluated.
    try await TestCluster.until("the last policy is in force") {
      let namespaces = KubernetesManifest.Kind.namespace.resource
      let answer = await Self.refusal {
        _ = try await nobody.create(namespaces, KubeObject(namespaces, name: "agent-nobodys-x-0123456789"), dryRun: true)
      }
      return answer?.contains("'palana-namespaces'") == true
    }
  }

  /// A namespace as the operator makes it, but for the cluster's own pod security standard, so that what is refused is refused by us.
  func agentNamespace(_ agent: String = "demo", owner: String = alice) async throws -> String {
    let name = try TestCluster.namespace(of: agent, owner: owner)
    let namespaces = KubernetesManifest.Kind.namespace.resource
    var object = KubeObject(namespaces, name: name)
    let id = String(name.suffix(agent.utf8.count + 11))
    object.setMetadata("labels", .texts([AgentLabels.managedBy: AgentLabels.manager, AgentLabels.agentID: id]))
    object.setMetadata("annotations", .texts([AgentLabels.owner: owner]))
    _ = try await engine.create(namespaces, object)
    let accounts = KubernetesManifest.Kind.serviceAccount.resource
    for account in ["agent", "default"] where try await client.find(accounts, account, in: name) == nil {
      _ = await Self.refusal { _ = try await client.create(accounts, KubeObject(accounts, namespace: name, name: account)) }
    }
    return name
  }

  /// A pod that says nothing but what runs in it.
  static func pod(_ name: String, in namespace: String, _ spec: JSONObject = [:], container: JSONObject = [:]) -> KubeObject {
    var object = KubeObject(ClusterKinds.pods, namespace: namespace, name: name)
    var main: JSONObject = ["name": "main", "image": "example.com/x:1"]
    for (name, value) in container { main[name] = value }
    var all: JSONObject = ["containers": [.object(main)]]
    for (name, value) in spec { all[name] = value }
    object["spec"] = .object(all)
    return object
  }

  /// - Returns: what the API server says, or nil when it does as it is told.
  static func refusal(_ body: () async throws -> Void) async -> String? {
    do { try await body() } catch let error as KubeError { return error.message } catch { return "\(error)" }
    return nil
  }

  // MARK: The cluster before and after

  private static func prepare(_ client: KubeClient) async throws {
    let namespaces = KubernetesManifest.Kind.namespace.resource
    if try await client.find(namespaces, "palana-system") == nil {
      _ = try await client.create(namespaces, KubeObject(namespaces, name: "palana-system"))
    }
    let roles = KubeResource("rbac.authorization.k8s.io", "v1", "clusterroles", kind: "ClusterRole", isNamespaced: false)
    let bindings = KubeResource("rbac.authorization.k8s.io", "v1", "clusterrolebindings", kind: "ClusterRoleBinding", isNamespaced: false)
    var role = KubeObject(roles, name: "writers")
    role["rules"] = [["apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]]]
    _ = try await client.apply(roles, role)
    var binding = KubeObject(bindings, name: "writers")
    binding["roleRef"] = ["apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "writers"]
    binding["subjects"] = [["apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": .string(writers)]]
    _ = try await client.apply(bindings, binding)
    try await clear(client)
  }

  static func clear(_ client: KubeClient) async throws {
    for resource in RegistrationKinds.policy.reversed() + RegistrationKinds.webhooks {
      for object in try await client.list(resource).objects where object.name.hasPrefix("palana") {
        try await client.delete(resource, object.name)
      }
    }
    try await client.delete(CertificateKeeper.secrets, CertificateKeeper.secretName, in: "palana-system")
    // The API server forgets what it was told a moment later.
    let namespaces = KubernetesManifest.Kind.namespace.resource
    try await TestCluster.until("nothing is asked any more") {
      var object = KubeObject(namespaces, name: "agent-nobodys-0123456789")
      object.setMetadata("labels", ["palana.dev/agent-id": "x-0123456789"])
      let isNamespaceFree = await refusal { _ = try await client.create(namespaces, object, dryRun: true) } == nil
      let agent = KubeObject(ClusterKinds.agents, namespace: "default", name: "probe")
      var other = agent
      other["spec"] = ["owner": "somebody@example.com", "command": ["x"]]
      let person = client.impersonating(Impersonation(user: "nobody", groups: ["system:authenticated", writers]))
      let isAgentFree = await refusal { _ = try await person.create(ClusterKinds.agents, other, dryRun: true) } == nil
      return isNamespaceFree && isAgentFree
    }
  }
}

import Foundation
import KubeTestServer
import Logging
import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaKube
import PalanaPlan
import Synchronization

@testable import PalanaOperator

/// A real API server with its controllers and our definitions, if the programs are there.
enum TestCluster {
  static var isPresent: Bool { KubeTestServer.controlled.isPresent }

  /// Where it is.
  static func endpoint(of cluster: KubeTestServer = .controlled) async throws -> KubeEndpoint {
    try await KubeConfig(paths: [cluster.path()]).endpoint()
  }

  /// One at a time: what a test leaves is cleared away without asking whose it is.
  private actor Turn {
    private var isTaken = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    func take() async {
      guard isTaken else {
        isTaken = true
        return
      }
      await withCheckedContinuation { waiting.append($0) }
    }

    func give() { if waiting.isEmpty { isTaken = false } else { waiting.removeFirst().resume() } }
  }

  private static let turn = Turn()
  private static let admittingTurn = Turn()

  /// A client of an administrator, with our kinds known, and a namespace for agents that is removed after `body`.
  static func run(
    on cluster: KubeTestServer = .controlled, _ body: (KubeClient, String) async throws -> Void
  ) async throws {
    // Each of the two servers for itself.
    let turn = cluster === KubeTestServer.controlled ? turn : admittingTurn
    await turn.take()
    let result: Result<Void, any Error>
    do { result = .success(try await runAlone(on: cluster, body)) } catch { result = .failure(error) }
    await turn.give()
    try result.get()
  }

  private static func runAlone(on cluster: KubeTestServer, _ body: (KubeClient, String) async throws -> Void) async throws {
    // On a machine that has much to do the server takes its time; what a test asks for itself is asked once.
    var limits = KubeLimits()
    limits.connectTimeout = .seconds(60)
    limits.timeout = .seconds(120)
    let server = try KubeServer(try await endpoint(of: cluster), limits: limits)
    let client = KubeClient(server, fieldManager: OperatorName.fieldManager)
    let definitions = KubeResource(
      "apiextensions.k8s.io", "v1", "customresourcedefinitions", kind: "CustomResourceDefinition", isNamespaced: false)
    for definition in CustomResourceDefinition.all { _ = try await client.apply(definitions, KubeObject(definition)) }
    for kind in [ClusterKinds.agents, ClusterKinds.templates, ClusterKinds.orders, ClusterKinds.rules, ClusterKinds.bindings] {
      try await until("\(kind) are served") { (try? await client.list(kind)) != nil }
    }
    let namespace = "t-" + UUID().uuidString.lowercased().prefix(8)
    let namespaces = KubernetesManifest.Kind.namespace.resource
    _ = try await client.create(namespaces, KubeObject(namespaces, name: namespace))
    let result: Result<Void, any Error>
    do { result = .success(try await body(client, namespace)) } catch { result = .failure(error) }
    try? await clear(client, namespace)
    await server.close()
    try result.get()
  }

  /// What a test left behind must not be work for the next one.
  private static func clear(_ client: KubeClient, _ namespace: String) async throws {
    for order in try await client.list(ClusterKinds.orders).objects { try await client.delete(ClusterKinds.orders, order.name) }
    for agent in try await client.list(ClusterKinds.agents).objects {
      _ = try? await client.patch(ClusterKinds.agents, agent.name, in: agent.namespace, .merge(["metadata": ["finalizers": []]]))
      try await client.delete(ClusterKinds.agents, agent.name, in: agent.namespace)
    }
    let namespaces = KubernetesManifest.Kind.namespace.resource
    for left in try await client.list(namespaces).objects where left.name.hasPrefix("agent-") || left.name == namespace {
      try await client.delete(namespaces, left.name)
    }
    try await until("the namespaces are gone") {
      try await client.list(namespaces).objects.allSatisfy { !$0.name.hasPrefix("agent-") }
    }
  }

  static func configuration() throws -> OperatorConfiguration {
    OperatorConfiguration(
      platform: PlatformFacts(
        gateway: .name("palana-gateway.palana-system.svc"), prefix: 0, proxyPort: 3128, caBundle: "/etc/palana/ca.crt",
        caCertificate: "/etc/palana/ca.crt"),
      cluster: ClusterFacts(
        gateway: .init(namespace: "palana-system", labels: ["app": "gateway"], ports: [3128]),
        dns: .init(namespace: "kube-system", labels: ["k8s-app": "kube-dns"], ports: [53]),
        caCertificate: "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n", hostImage: "example.com/host:1",
        browser: .init(
          route: .ingress(class: "nginx", annotations: ["example.com/auth-url": "https://login.example.com"], tlsSecret: nil),
          domain: "agents.example.com", from: .init(namespace: "ingress-nginx", ports: [1]))),
      identity: "test", proxyToken: { Redacted("token-of-\($0)") })
  }

  /// Runs an operator while `body` runs.
  static func operating<Value: Sendable>(
    _ client: KubeClient, _ cluster: (any ClusterWriting)? = nil, audit: any AuditSink = Trail(), grants: GrantKeeper? = nil,
    _ body: @escaping @Sendable () async throws -> Value
  ) async throws -> Value {
    var configuration = try configuration()
    configuration.grants = grants
    return try await operating(client, cluster, configuration: configuration, audit: audit) { _ in try await body() }
  }

  static func operating<Value: Sendable>(
    _ client: KubeClient, _ cluster: (any ClusterWriting)? = nil, configuration: OperatorConfiguration, audit: any AuditSink = Trail(),
    _ body: @escaping @Sendable (OperatorEngine) async throws -> Value
  ) async throws -> Value {
    let kinds = try await OperatorEngine.kinds(of: client)
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let engine = OperatorEngine(client, configuration, kinds: kinds, audit: audit, cluster: cluster, logger: logger)
    return try await withThrowingTaskGroup(of: Value?.self) { group in
      group.addTask {
        await engine.run()
        return nil
      }
      group.addTask { try await body(engine) }
      defer { group.cancelAll() }
      while let result = try await group.next() { if let result { return result } }
      throw CancellationError()
    }
  }

  /// Waits for a condition; fails after a minute.
  static func until(_ what: String, _ condition: () async throws -> Bool) async throws {
    let end = ContinuousClock.now + .seconds(60)
    while try await !condition() {
      guard end > .now else { throw PalanaError(.failed, "it did not happen: \(what)") }
      try await Task.sleep(for: .milliseconds(50))
    }
  }

  static func agent(_ name: String, in namespace: String, _ spec: JSONObject = [:]) -> KubeObject {
    var object = KubeObject(ClusterKinds.agents, namespace: namespace, name: name)
    var all: JSONObject = [
      "owner": "alice@example.com", "image": "example.com/agent:1", "command": ["serve"],
      "resources": ["cpu": "500m", "memory": "256Mi", "storage": "1Gi"],
      "ports": [["name": "ui", "port": 8080, "browser": true]],
    ]
    for (name, value) in spec { all[name] = value }
    object["spec"] = .object(all)
    return object
  }

  static func namespace(of agent: String, owner: String = "alice@example.com") throws -> String {
    AgentNamespace.name(owner: try UserIdentity(owner), agent: try ResourceName(agent))
  }

  static func phase(_ client: KubeClient, _ name: String, in namespace: String) async throws -> String? {
    try await client.find(ClusterKinds.agents, name, in: namespace)?["status"]?["phase"]?.string
  }
}

/// Keeps audit events.
final class Trail: AuditSink {
  private let kept = Mutex<[AuditEvent]>([])
  var events: [AuditEvent] { kept.withLock { $0 } }
  func record(_ event: AuditEvent) throws(AuditUnavailable) { kept.withLock { $0.append(event) } }
}

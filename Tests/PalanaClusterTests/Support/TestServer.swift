import Foundation
import KubeTestServer
import Logging
import PalanaAPI
import PalanaCore
import PalanaKube

@testable import PalanaCluster

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// A real API server with its controllers, our definitions and a few people without rights, one for all tests of the process, if the
/// programs are there.
actor TestServer {
  static let shared = TestServer()
  static let people: [String] = ["alice@example.com", "bob@example.com", "olga@example.com"]

  static let isPresent = KubeTestServer.controlled.isPresent

  /// The root of the repository, with a slash behind it.
  static let root: String = {
    var root = URL(filePath: #filePath)
    for _ in 0..<4 { root.deleteLastPathComponent() }
    return root.path()
  }()

  private var started: Task<String, any Error>?
  /// The server ends when this closes, with the process of the tests at the latest.
  private let input = Pipe()

  /// The path of an administrator's kubeconfig.
  func kubeconfig() async throws -> String {
    if let started { return try await started.value }
    let input = self.input
    let task = Task.detached { () throws -> String in
      let folder = NSTemporaryDirectory() + "/palana-cluster-\(ProcessInfo.processInfo.processIdentifier)"
      let path = try KubeTestServer.launch(
        folder, "--controllers", "--user", Self.people[0], "--user", Self.people[1], "--user", Self.people[2], input: input)
      try await Self.with(path) { client in
        let definitions = KubeResource(
          "apiextensions.k8s.io", "v1", "customresourcedefinitions", kind: "CustomResourceDefinition", isNamespaced: false)
        for definition in CustomResourceDefinition.all { _ = try await client.apply(definitions, KubeObject(definition)) }
        for kind in [
          AgentSpec.kube, AgentTemplateSpec.kube, EgressPolicySpec.kube, PeeringRuleSpec.kube, SecretBindingSpec.kube, KillOrderSpec.kube,
          LLMBudgetSpec.kube,
        ] {
          try await Self.until("\(kind) are served") { (try? await client.list(kind)) != nil }
        }
        try await Self.installRights(client)
      }
      return path
    }
    started = task
    return try await task.value
  }

  private static func with<Value>(_ kubeconfig: String, _ body: (KubeClient) async throws -> Value) async throws -> Value {
    let server = try KubeServer(try await KubeConfig(paths: [kubeconfig]).endpoint())
    do {
      let value = try await body(KubeClient(server, fieldManager: "tests"))
      await server.close()
      return value
    } catch {
      await server.close()
      throw error
    }
  }

  /// A client of an administrator.
  static func run<Value>(_ body: (KubeClient) async throws -> Value) async throws -> Value {
    try await with(shared.kubeconfig(), body)
  }

  /// With the directory of the cluster kept up while `body` runs.
  static func withStores(_ body: @escaping @Sendable (ClusterStores) async throws -> Void) async throws {
    try await run { client in
      let stores = ClusterStores(client, logger: quiet)
      try await keepingUp(stores) { try await body(stores) }
    }
  }

  /// Keeps the directory up while `body` runs.
  static func keepingUp(_ stores: ClusterStores, _ body: @escaping @Sendable () async throws -> Void) async throws {
    try await withThrowingTaskGroup(of: Bool.self) { group in
      group.addTask {
        await stores.directory.run()
        return false
      }
      group.addTask {
        try await stores.directory.ready()
        try await body()
        return true
      }
      defer { group.cancelAll() }
      while let isDone = try await group.next(), !isDone {}
    }
  }

  /// Waits for a condition; fails after a minute.
  static func until(_ what: String, _ condition: () async throws -> Bool) async throws {
    let end = ContinuousClock.now + .seconds(60)
    while try await !condition() {
      guard end > .now else { throw PalanaError(.failed, "it did not happen: \(what)") }
      try await Task.sleep(for: .milliseconds(20))
    }
  }
}

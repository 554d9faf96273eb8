import Foundation
import PalanaCore
import Synchronization

@testable import PalanaKube

/// A real API server with its store, one for all tests of the process, if the programs are there (`KUBEBUILDER_ASSETS`).
actor APIServer {
  static let shared = APIServer()

  static let isPresent: Bool = {
    let folder = ProcessInfo.processInfo.environment["KUBEBUILDER_ASSETS"] ?? "/usr/local/kubebuilder/bin"
    return ["etcd", "kube-apiserver"].allSatisfy { FileManager.default.isExecutableFile(atPath: "\(folder)/\($0)") }
  }()

  private var kubeconfig: Task<String, any Error>?
  /// It ends when this closes, with the process of the tests at the latest.
  private let input = Pipe()

  /// - Returns: the path of an administrator's kubeconfig.
  private func path() async throws -> String {
    if let kubeconfig { return try await kubeconfig.value }
    let input = self.input
    let task = Task.detached { () throws -> String in
      try Self.launch(NSTemporaryDirectory() + "/palana-api-server-\(ProcessInfo.processInfo.processIdentifier)", input: input)
    }
    kubeconfig = task
    return try await task.value
  }

  /// Starts one that ends when `input` is closed, and waits until it is ready.
  ///
  /// - Returns: the path of its kubeconfig.
  static func launch(_ folder: String, _ arguments: String..., input: Pipe) throws -> String {
    var root = URL(filePath: #filePath)
    for _ in 0..<4 { root.deleteLastPathComponent() }
    let process = Process()
    process.executableURL = root.appending(path: "scripts/api-server")
    process.arguments = [folder, "--stdin"] + arguments
    process.standardInput = input
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let line = output.fileHandleForReading.availableData
    guard let path = String(bytes: line, encoding: .utf8)?.trimmingCharacters(in: .whitespacesAndNewlines), !path.isEmpty else {
      throw PalanaError(.failed, "the API server did not start: see the logs in \(folder)")
    }
    return path
  }

  /// A client of an administrator and a namespace of its own, removed after `body`.
  static func run<Value>(_ body: (KubeClient, String) async throws -> Value) async throws -> Value {
    let endpoint = try await KubeConfig(paths: [shared.path()]).endpoint()
    let server = try KubeServer(endpoint)
    let client = KubeClient(server, fieldManager: "palana-tests")
    let namespace = "t-" + UUID().uuidString.lowercased().prefix(8)
    do {
      _ = try await client.create(namespaces, KubeObject(namespaces, name: namespace))
      let value = try await body(client, namespace)
      _ = try? await client.delete(namespaces, namespace)
      await server.close()
      return value
    } catch {
      _ = try? await client.delete(namespaces, namespace)
      await server.close()
      throw error
    }
  }

  static let namespaces = KubeResource("", "v1", "namespaces", kind: "Namespace", isNamespaced: false)
}

import Foundation
import KubeTestServer
import PalanaCore

@testable import PalanaKube

/// A client of an administrator of a server for tests.
enum APIServer {
  static var isPresent: Bool { KubeTestServer.real.isPresent }

  /// With a namespace of its own, removed after `body` where namespaces are objects.
  static func run<Value>(
    on server: KubeTestServer = .real, _ body: (KubeClient, String) async throws -> Value
  ) async throws -> Value {
    let connection = try KubeServer(try await KubeConfig(paths: [server.path()]).endpoint())
    let client = KubeClient(connection, fieldManager: "palana-tests")
    let namespace = "t-" + UUID().uuidString.lowercased().prefix(8)
    let result: Result<Value, any Error>
    do {
      if server !== KubeTestServer.double { _ = try await client.create(namespaces, KubeObject(namespaces, name: namespace)) }
      result = .success(try await body(client, namespace))
    } catch {
      result = .failure(error)
    }
    if server !== KubeTestServer.double { _ = try? await client.delete(namespaces, namespace) }
    await connection.close()
    return try result.get()
  }

  static let namespaces = KubeResource("", "v1", "namespaces", kind: "Namespace", isNamespaced: false)
}

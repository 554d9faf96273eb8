import Foundation
import NIOHTTP1
import PalanaCore
import PalanaKube
import PalanaManifests
import PalanaPlan

@testable import PalanaOperator

/// The service account of the operator with exactly the rights that the chart gives it.
enum OperatorAccount {
  private static let file: URL = {
    var root = URL(filePath: #filePath)
    for _ in 0..<4 { root.deleteLastPathComponent() }
    return root.appending(path: "deploy/helm/palana/rbac/operator.yaml")
  }()

  /// - Parameter administrator: whose client makes the account and its rights.
  /// - Returns: a server that is spoken to as the account; the caller closes it.
  static func server(_ administrator: KubeClient) async throws -> KubeServer {
    let accounts = KubernetesManifest.Kind.serviceAccount.resource
    if try await administrator.find(accounts, "palana-operator", in: "palana-system") == nil {
      _ = try await administrator.create(accounts, KubeObject(accounts, namespace: "palana-system", name: "palana-operator"))
    }
    for document in try ManifestDocument.parse(Array(try Data(contentsOf: file)), file: file.path()) {
      let object = KubeObject(document.value)
      let isNamespaced = !object.kind.hasPrefix("Cluster")
      let resource = KubeResource(
        "rbac.authorization.k8s.io", "v1", object.kind.lowercased() + "s", kind: object.kind, isNamespaced: isNamespaced)
      _ = try await administrator.apply(resource, object)
    }
    let answer = try await administrator.json(
      .POST, "/api/v1/namespaces/palana-system/serviceaccounts/palana-operator/token",
      ["apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": ["expirationSeconds": 3600]])
    guard let token = answer["status"]?["token"]?.string else { throw PalanaError(.failed, "there is no token") }
    var endpoint = administrator.server.endpoint
    endpoint.authentication = .token(Redacted(token))
    return try KubeServer(endpoint)
  }
}

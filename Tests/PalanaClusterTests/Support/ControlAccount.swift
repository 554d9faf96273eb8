import Foundation
import PalanaAPI
import PalanaCore
import PalanaKube
import PalanaManifests

@testable import PalanaCluster

extension TestServer {
  static let system = "palana-system"
  private static let accounts = KubeResource("", "v1", "serviceaccounts", kind: "ServiceAccount")
  static let namespaces = KubeResource("", "v1", "namespaces", kind: "Namespace", isNamespaced: false)
  static let bindings = KubeResource("rbac.authorization.k8s.io", "v1", "rolebindings", kind: "RoleBinding")
  static let clusterBindings = KubeResource(
    "rbac.authorization.k8s.io", "v1", "clusterrolebindings", kind: "ClusterRoleBinding", isNamespaced: false)

  /// The account of the control API, with the rights of the file that is installed and no others.
  static func installRights(_ client: KubeClient) async throws {
    _ = try await client.apply(namespaces, KubeObject(namespaces, name: system))
    _ = try await client.apply(accounts, KubeObject(accounts, namespace: system, name: "palana-control"))
    for document in try ["control", "people"].flatMap({ file in
      let path = root + "deploy/helm/palana/rbac/\(file).yaml"
      return try ManifestDocument.parse(Array(try Data(contentsOf: URL(filePath: path))), file: path)
    }) {
      let object = KubeObject(document.value)
      let isNamespaced = !object.kind.hasPrefix("Cluster")
      let resource = KubeResource(
        "rbac.authorization.k8s.io", "v1", object.kind.lowercased() + "s", kind: object.kind, isNamespaced: isNamespaced)
      _ = try await client.apply(resource, object)
    }
  }

  /// With stores that have the rights of the control API's account, while their directory is kept up; and with an administrator's client.
  static func withControl(_ body: @escaping @Sendable (ClusterStores, KubeClient) async throws -> Void) async throws {
    try await run { admin in
      var wanted = KubeObject(["apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": [:]])
      wanted["metadata"] = ["name": "palana-control", "namespace": .string(system)]
      let token = try await admin.create(accounts, wanted, subresource: "token")["status"]?["token"]?.string ?? ""
      var endpoint = admin.server.endpoint
      endpoint.authentication = .token(Redacted(token))
      let server = try KubeServer(endpoint)
      let result: Result<Void, any Error>
      do {
        let stores = ClusterStores(KubeClient(server, fieldManager: "palana-control"), logger: quiet)
        try await keepingUp(stores) { try await body(stores, admin) }
        result = .success(())
      } catch { result = .failure(error) }
      await server.close()
      try result.get()
    }
  }

  /// The token with which somebody signs in.
  static func token(of person: String) async throws -> Redacted<String> {
    let folder = URL(filePath: try await shared.kubeconfig()).deletingLastPathComponent()
    return Redacted(try String(contentsOf: folder.appending(path: "tokens/\(person)"), encoding: .utf8))
  }

  static func person(_ name: String, groups: [String] = [], isOperator: Bool = false) throws -> ClusterActor {
    .person(
      Impersonation(signedIn: name, groups: groups + ["system:authenticated"], uid: "uid-of-\(name)", extra: [:]),
      identity: try UserIdentity(name), isOperator: isOperator)
  }

  /// Gives somebody a cluster role.
  static func bind(_ client: KubeClient, _ user: String, to role: String, in namespace: String? = nil) async throws {
    let resource = namespace == nil ? clusterBindings : bindings
    var object = KubeObject(resource, namespace: namespace, name: "test-" + RandomToken.hex(bytes: 6))
    object["roleRef"] = ["apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": .string(role)]
    object["subjects"] = [["apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": .string(user)]]
    _ = try await client.create(resource, object)
  }
}

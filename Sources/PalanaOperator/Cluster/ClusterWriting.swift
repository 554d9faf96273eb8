package import PalanaCore
package import PalanaKube

/// The requests of the operator besides its watches. Tests count them, and let them fail or be the last.
package protocol ClusterWriting: Sendable {
  func find(_ resource: KubeResource, _ name: String, in namespace: String?) async throws(KubeError) -> KubeObject?
  func create(_ resource: KubeResource, _ object: KubeObject) async throws(KubeError) -> KubeObject
  func apply(_ resource: KubeResource, _ object: KubeObject, subresource: String?) async throws(KubeError) -> KubeObject
  func replace(_ resource: KubeResource, _ object: KubeObject) async throws(KubeError) -> KubeObject
  func merge(_ resource: KubeResource, _ key: ObjectKey, _ patch: JSONValue) async throws(KubeError) -> KubeObject
  func delete(_ resource: KubeResource, _ key: ObjectKey, uid: String) async throws(KubeError)
}

/// A real cluster.
package struct Cluster: ClusterWriting {
  private let client: KubeClient
  package init(_ client: KubeClient) { self.client = client }

  package func find(_ resource: KubeResource, _ name: String, in namespace: String?) async throws(KubeError) -> KubeObject? {
    try await client.find(resource, name, in: namespace)
  }

  package func create(_ resource: KubeResource, _ object: KubeObject) async throws(KubeError) -> KubeObject {
    try await client.create(resource, object)
  }

  package func apply(_ resource: KubeResource, _ object: KubeObject, subresource: String?) async throws(KubeError) -> KubeObject {
    try await client.apply(resource, object, subresource: subresource)
  }

  package func replace(_ resource: KubeResource, _ object: KubeObject) async throws(KubeError) -> KubeObject {
    try await client.replace(resource, object)
  }

  package func merge(_ resource: KubeResource, _ key: ObjectKey, _ patch: JSONValue) async throws(KubeError) -> KubeObject {
    try await client.patch(resource, key.name, in: key.namespace.isEmpty ? nil : key.namespace, .merge(patch))
  }

  package func delete(_ resource: KubeResource, _ key: ObjectKey, uid: String) async throws(KubeError) {
    try await client.delete(resource, key.name, in: key.namespace.isEmpty ? nil : key.namespace, uid: uid)
  }
}

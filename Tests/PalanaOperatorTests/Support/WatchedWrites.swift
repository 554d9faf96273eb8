import PalanaCore
import PalanaKube
import Synchronization

@testable import PalanaOperator

/// Passes requests on, counts those that write, and refuses some as a test says.
final class WatchedWrites: ClusterWriting {
  /// What happens to a write, by its number from 1 and what it asks for: nil lets it pass.
  typealias Refusal = @Sendable (Int, String) -> KubeError?

  private let cluster: Cluster
  private let refusal: Refusal
  private let written = Mutex<[String]>([])

  init(_ client: KubeClient, refusing refusal: @escaping Refusal = { _, _ in nil }) {
    cluster = Cluster(client)
    self.refusal = refusal
  }

  /// What was asked for, such as `apply roles agent-a/agent-owner`.
  var writes: [String] { written.withLock { $0 } }

  private func note(_ verb: String, _ resource: KubeResource, _ key: ObjectKey) throws(KubeError) {
    let write = "\(verb) \(resource) \(key)"
    let number = written.withLock { written in
      written.append(write)
      return written.count
    }
    if let error = refusal(number, write) { throw error }
  }

  func find(_ resource: KubeResource, _ name: String, in namespace: String?) async throws(KubeError) -> KubeObject? {
    try await cluster.find(resource, name, in: namespace)
  }

  func create(_ resource: KubeResource, _ object: KubeObject) async throws(KubeError) -> KubeObject {
    try note("create", resource, object.key)
    return try await cluster.create(resource, object)
  }

  func apply(_ resource: KubeResource, _ object: KubeObject, subresource: String?) async throws(KubeError) -> KubeObject {
    try note("apply", resource, object.key)
    return try await cluster.apply(resource, object, subresource: subresource)
  }

  func replace(_ resource: KubeResource, _ object: KubeObject) async throws(KubeError) -> KubeObject {
    try note("replace", resource, object.key)
    return try await cluster.replace(resource, object)
  }

  func merge(_ resource: KubeResource, _ key: ObjectKey, _ patch: JSONValue) async throws(KubeError) -> KubeObject {
    try note("merge", resource, key)
    return try await cluster.merge(resource, key, patch)
  }

  func delete(_ resource: KubeResource, _ key: ObjectKey, uid: String) async throws(KubeError) {
    try note("delete", resource, key)
    try await cluster.delete(resource, key, uid: uid)
  }
}

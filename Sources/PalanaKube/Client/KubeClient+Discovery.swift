import NIOHTTP1
import PalanaCore

extension KubeClient {
  /// The version of the server, such as `v1.36.2`.
  package func version() async throws(KubeError) -> String {
    guard let version = try await json(.GET, "/version")["gitVersion"]?.string else {
      throw KubeError(.malformed, "the API server does not say its version")
    }
    return version
  }

  /// The name by which the server knows us (`SelfSubjectReview`).
  package func userName() async throws(KubeError) -> String {
    let review: JSONValue = ["apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"]
    guard
      let name = try await json(.POST, "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)["status"]?["userInfo"]?["username"]?
        .string, !name.isEmpty
    else { throw KubeError(.malformed, "the API server does not say who we are") }
    return name
  }

  /// Whether the server has this kind in this version.
  package func serves(_ resource: KubeResource) async throws(KubeError) -> Bool {
    let path = resource.group.isEmpty ? "/api/\(resource.version)" : "/apis/\(resource.group)/\(resource.version)"
    do throws(KubeError) {
      return try await json(.GET, path)["resources"]?.array?.contains { $0["name"]?.string == resource.plural } ?? false
    } catch {
      guard error.kind == .notFound else { throw error }
      return false
    }
  }

  /// Whether the server is ready, in its own opinion (`/readyz`).
  package func isReady() async -> Bool {
    guard let answer = try? await server.send(request(.GET, "/readyz")) else { return false }
    return answer == Array("ok".utf8)
  }
}

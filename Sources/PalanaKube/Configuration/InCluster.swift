package import PalanaCore

/// What a pod finds about its own API server.
package enum InCluster {
  /// Where the kubelet puts the token, the authority and the namespace of the service account.
  package static let folder = "/var/run/secrets/kubernetes.io/serviceaccount"

  /// - Parameter folder: where the service account is mounted.
  /// - Returns: nil outside of a cluster.
  /// - Throws: ``PalanaError`` when the pod has an API server but no service account.
  package static func endpoint(
    _ environment: [String: String], folder: String = InCluster.folder
  ) async throws(PalanaError) -> KubeEndpoint? {
    guard let host = environment["KUBERNETES_SERVICE_HOST"], let port = environment["KUBERNETES_SERVICE_PORT"], !host.isEmpty,
      !port.isEmpty
    else { return nil }
    guard let authorities = try await CredentialFile.read(folder + "/ca.crt", orNil: true) else {
      throw PalanaError(
        .failed, "this pod has no service account at \(folder)",
        hint: "set automountServiceAccountToken: true on the pod of this role")
    }
    let namespace = try await CredentialFile.read(folder + "/namespace", orNil: true)
    var endpoint = KubeEndpoint(
      url: "https://\(host.contains(":") ? "[\(host)]" : host):\(port)", authorities: authorities.reveal(),
      authentication: .tokenFile(folder + "/token"))
    if let namespace, let text = String(validating: namespace.reveal(), as: UTF8.self) {
      endpoint.namespace = text.filter { !$0.isWhitespace }
    }
    return endpoint
  }
}

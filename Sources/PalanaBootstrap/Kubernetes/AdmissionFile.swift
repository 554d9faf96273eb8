import PalanaCore
import PalanaOperator
import PalanaPlan

/// The section `admission` of the operator's configuration, as it is written.
struct AdmissionFile: Codable {
  /// A service of the cluster in front of every operator.
  struct Service: Codable {
    /// Absent: that of the installation.
    var namespace: String?
    var name: String
    var port: Int?
  }

  struct Administrators: Codable {
    var users: [UserIdentity]?
    /// Absent: `system:masters`.
    var groups: [String]?
  }

  /// Address and port; absent: 0.0.0.0:9443.
  var listen: String?
  /// How the API server reaches us: the one or the other. Absent: the service `palana-webhooks` on port 443.
  var service: Service?
  var url: String?
  var administrators: Administrators?
  var agentsPerOwner: Int?
  /// Prefixes of images, such as `registry.example.com/agents`. Absent: any.
  var images: [String]?

  /// - Parameters:
  ///   - namespace: of the installation.
  ///   - engine: the user name of the operator; nil: its service account there.
  func parties(namespace: String, engine: String? = nil) -> Parties {
    Parties(
      namespace: namespace, administrators: administrators?.users ?? [],
      administratorGroups: administrators?.groups ?? ["system:masters"], engine: engine)
  }

  /// - Throws: ``PalanaError`` with code `invalid` that names the key.
  func configuration(
    namespace: String, engine: String? = nil, _ operation: OperatorConfiguration
  ) throws(PalanaError) -> AdmissionConfiguration {
    let listen = try endpoint(listen ?? "0.0.0.0:9443")
    if let agentsPerOwner, agentsPerOwner < 1 { throw PalanaError(.invalid, "admission.agentsPerOwner: at least 1") }
    let allowed: AllowedImages
    do throws(PalanaError) {
      allowed = try AllowedImages(
        prefixes: images ?? [], own: [operation.cluster.hostImage, operation.cluster.secretFiles?.image].compactMap(\.self))
    } catch {
      throw PalanaError(.invalid, "admission.images: \(error.message)", hint: error.hint)
    }
    return AdmissionConfiguration(
      parties: parties(namespace: namespace, engine: engine), reach: try reach(namespace), host: "\(listen.address)", port: listen.port,
      agentsPerOwner: agentsPerOwner, images: allowed, userID: operation.cluster.userID,
      hasUserNamespaces: operation.cluster.hasUserNamespaces, platform: operation.platform)
  }

  private func endpoint(_ text: String) throws(PalanaError) -> LocalConfiguration.Endpoint {
    do throws(PalanaError) { return try LocalConfiguration.Endpoint(parsing: text) } catch {
      throw PalanaError(.invalid, "admission.listen: \(error.message)", hint: "such as 0.0.0.0:9443")
    }
  }

  private func reach(_ namespace: String) throws(PalanaError) -> AdmissionConfiguration.Reach {
    switch (service, url) {
    case (let service?, nil):
      return .service(
        namespace: service.namespace ?? namespace, name: service.name,
        port: try OperatorFile.port(service.port ?? 443, "admission.service.port"))
    case (nil, let url?):
      let rest = url.utf8.dropFirst("https://".utf8.count)
      guard url.hasPrefix("https://"), !rest.isEmpty, rest.allSatisfy({ $0 > 32 && $0 < 127 && !Array("/?#@".utf8).contains($0) }) else {
        throw PalanaError(.invalid, "admission.url: https://HOST[:PORT] and nothing else")
      }
      return .url(url)
    case (nil, nil): return .service(namespace: namespace, name: "palana-webhooks", port: 443)
    case (_?, _?): throw PalanaError(.invalid, "admission: one of service and url says how the API server comes here")
    }
  }
}

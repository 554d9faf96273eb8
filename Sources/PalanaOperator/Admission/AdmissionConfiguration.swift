package import PalanaCore
package import PalanaPlan

/// What the admission webhooks need to know.
package struct AdmissionConfiguration: Sendable {
  /// How the API server reaches them.
  package enum Reach: Hashable, Sendable {
    /// A service of the cluster; its port.
    case service(namespace: String, name: String, port: Int)
    /// `https://HOST[:PORT]`, without a path.
    case url(String)

    /// The names and addresses that the certificate has to have.
    var names: [String] {
      switch self {
      case .service(let namespace, let name, _):
        return ["\(name).\(namespace).svc", "\(name).\(namespace).svc.cluster.local", "\(name).\(namespace)"]
      case .url(let url):
        let rest = url.utf8.drop { $0 != UInt8(ascii: "/") }.drop { $0 == UInt8(ascii: "/") }
        let authority = String(Substring(rest.prefix { $0 != UInt8(ascii: "/") }))
        if authority.hasPrefix("[") { return [String(authority.dropFirst().prefix { $0 != "]" })] }
        return [String(authority.prefix { $0 != ":" })]
      }
    }

    /// Where a webhook is, as its configuration says it.
    func client(_ path: String, bundle: String) -> JSONObject {
      var client: JSONObject = ["caBundle": .string(Base64Text.encoded(Array(bundle.utf8)))]
      switch self {
      case .service(let namespace, let name, let port):
        client["service"] = [
          "namespace": .string(namespace), "name": .string(name), "path": .string("/\(path)"), "port": .int(port),
        ]
      case .url(let url): client["url"] = .string("\(url)/\(path)")
      }
      return client
    }
  }

  package var parties: Parties
  package var reach: Reach
  /// Address and port to listen on; port 0: one that the system chooses.
  package var host: String
  package var port: Int
  /// Agents that one owner may have; nil: any number.
  package var agentsPerOwner: Int?
  package var images: AllowedImages
  /// What pods get and must have: as the renderer writes them.
  package var userID: Int
  package var hasUserNamespaces: Bool
  package var platform: PlatformFacts
  package var lifetimes = CertificateLifetimes()
  package var clock = WallClock.system

  package init(
    parties: Parties, reach: Reach, host: String, port: Int, agentsPerOwner: Int? = nil, images: AllowedImages, userID: Int,
    hasUserNamespaces: Bool, platform: PlatformFacts
  ) {
    self.parties = parties
    self.reach = reach
    self.host = host
    self.port = port
    self.agentsPerOwner = agentsPerOwner
    self.images = images
    self.userID = userID
    self.hasUserNamespaces = hasUserNamespaces
    self.platform = platform
  }
}

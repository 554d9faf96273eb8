package import PalanaCore

/// Where an API server is and as whom it is spoken to.
package struct KubeEndpoint: Sendable {
  /// Without a slash at its end, such as `https://10.96.0.1:443`.
  package var url: String
  /// The authorities that may have issued its certificate, PEM; nil: those of the system.
  package var authorities: [UInt8]?
  /// The name that its certificate is for, when it is not the one of the address. A certificate for the very IP address that is connected
  /// to is taken as well.
  package var serverName: String?
  /// An HTTP or SOCKS proxy on the way, such as `http://proxy.internal:3128` or `socks5://localhost:1080`.
  package var proxy: String?
  /// Accepts any certificate. Only for a kubeconfig that says so.
  package var skipsVerification = false
  package var authentication: KubeAuthentication
  /// Where things are when nobody says.
  package var namespace: String

  package init(url: String, authorities: [UInt8]? = nil, authentication: KubeAuthentication = .none, namespace: String = "default") {
    self.url = url
    self.authorities = authorities
    self.authentication = authentication
    self.namespace = namespace
  }
}

/// As whom.
package enum KubeAuthentication: Sendable {
  case none
  /// Certificate chain and key, PEM.
  case certificate([UInt8], key: Redacted<[UInt8]>)
  case token(Redacted<String>)
  /// A file that somebody renews, such as that of a service account; read again every minute, and when the token is refused.
  case tokenFile(String)
  case basic(user: String, password: Redacted<String>)
  case exec(ExecPlugin)
}

/// A program that knows who we are (`client.authentication.k8s.io`).
package struct ExecPlugin: Sendable, Hashable {
  package var command: String
  package var arguments: [String]
  package var environment: [String: String]
  package var apiVersion: String
  /// What to tell a person who does not have it.
  package var installHint: String
  /// The cluster, as the program gets it when it asks for it (`provideClusterInfo`).
  package var cluster: JSONValue?

  package init(
    command: String, arguments: [String] = [], environment: [String: String] = [:],
    apiVersion: String = "client.authentication.k8s.io/v1", installHint: String = "", cluster: JSONValue? = nil
  ) {
    self.command = command
    self.arguments = arguments
    self.environment = environment
    self.apiVersion = apiVersion
    self.installHint = installHint
    self.cluster = cluster
  }
}

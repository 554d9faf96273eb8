package import PalanaCore

/// What the planner must know of the platform around an agent: where its gateways are and where their CA stands.
package struct PlatformFacts: Codable, Hashable, Sendable {
  /// Where agents find the gateway.
  package var gateway: Host
  /// Prefix length of the agents' subnet; 0 in a cluster.
  package var prefix: Int
  /// TCP port of the egress gateway's explicit proxy.
  package var proxyPort: Int
  /// Address of the agents' name server; nil: there is none, and the gateway alone resolves names.
  package var resolver: IPAddress?
  /// Base URL and port of the LLM gateway; nil while no LLM listener is configured.
  package var llm: LLM?
  /// The system's roots and the installation's CA in one PEM file, path inside the sandbox.
  package var caBundle: String
  /// The installation's CA alone, path inside the sandbox.
  package var caCertificate: String

  package enum Host: Codable, Hashable, Sendable {
    case address(IPAddress)
    /// A name that the agents' name server knows, such as that of a service in a cluster.
    case name(String)

    /// As it stands in the authority of a URL (RFC 3986 §3.2.2).
    package var text: String {
      switch self {
      case .address(let address):
        if case .v6 = address { "[\(address)]" } else { "\(address)" }
      case .name(let name): name
      }
    }
  }

  package struct LLM: Codable, Hashable, Sendable {
    package var baseURL: String
    package var port: Int
    package init(baseURL: String, port: Int) {
      self.baseURL = baseURL
      self.port = port
    }

    /// The host of ``baseURL``.
    var host: String {
      let rest = baseURL.firstRange(of: "://").map { baseURL[$0.upperBound...] } ?? baseURL[...]
      let authority = rest.prefix { $0 != "/" }
      guard !authority.hasPrefix("[") else { return String(authority.prefix { $0 != "]" }.dropFirst()) }
      return String(authority.prefix { $0 != ":" })
    }
  }

  package init(
    gateway: Host, prefix: Int, proxyPort: Int, resolver: IPAddress? = nil, llm: LLM? = nil,
    caBundle: String = "/etc/ssl/certs/ca-certificates.crt", caCertificate: String = "/etc/ssl/certs/palana-ca.pem"
  ) {
    self.gateway = gateway
    self.prefix = prefix
    self.proxyPort = proxyPort
    self.resolver = resolver
    self.llm = llm
    self.caBundle = caBundle
    self.caCertificate = caCertificate
  }

  package init(
    gateway: IPAddress, prefix: Int, proxyPort: Int, resolver: IPAddress? = nil, llm: LLM? = nil
  ) { self.init(gateway: .address(gateway), prefix: prefix, proxyPort: proxyPort, resolver: resolver, llm: llm) }
}

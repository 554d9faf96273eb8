import PalanaCore
package import PalanaEgress

/// How Envoy is run as the data plane of one machine.
package struct EnvoyConfiguration: Sendable {
  /// The program.
  package var binary: String
  /// A folder of its own for the control socket and the configuration; made, and emptied, at each start.
  package var folder: String
  /// Where agents reach it, which addresses it may dial, and its limits.
  package var egress: EgressGatewayConfiguration
  /// Who it runs as; nobody else may have this number. Nil: as this process.
  package var user: UInt32?
  /// PEM file with the roots of this machine.
  package var systemRoots: String
  /// How long Envoy may take for a new list of agents; its start is within it. After that it is ended.
  package var patience = Duration.seconds(10)

  /// A number between those of people and those of services, which no package gives out.
  package static let unprivileged: UInt32 = 59_977

  package init(
    binary: String, folder: String, egress: EgressGatewayConfiguration, user: UInt32? = EnvoyConfiguration.unprivileged,
    systemRoots: String = "/etc/ssl/certs/ca-certificates.crt"
  ) {
    self.binary = binary
    self.folder = folder
    self.egress = egress
    self.user = user
    self.systemRoots = systemRoots
  }

  /// The Unix socket at which Envoy asks. Whoever can open it is told credentials.
  var controlSocket: String { folder + "/control.sock" }
  var bootstrapFile: String { folder + "/bootstrap.json" }
  var rootsFile: String { folder + "/roots.pem" }
}

/// Names that the bootstrap, the listener and the services have in common.
enum EnvoyNames {
  static let controlCluster = "palana_control"
  static let proxyListener = "palana_proxy"
  static let innerListener = "palana_inner"
  /// The cluster that leads to ``proxyListener``.
  static let proxyCluster = "palana_proxy"
  static let innerCluster = "palana_inner"
  static let httpCluster = "palana_http"
  static let httpsCluster = "palana_https"
  /// The listener that agents reach.
  static let agentListener = "palana_agents"
  /// Filter state: the ticket of the agent's filter chain, and the name of the tunnel.
  static let ticketState = "palana.ticket"
  static let tunnelState = "palana.tunnel"
  /// How these reach the authorization service, as metadata of the call. A client cannot write there.
  static let ticketMetadata = "x-palana-ticket"
  static let tunnelMetadata = "x-palana-tunnel"
  static let authorizationFilter = "envoy.filters.http.ext_authz"
  /// Members of the metadata that an answer leaves with its request.
  static let idMember = "id"
  static let upstreamMember = "upstream"
  static let typePrefix = "type.googleapis.com/"
}

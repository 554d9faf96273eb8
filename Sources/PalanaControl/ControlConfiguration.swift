package import PalanaCore

/// Where the control API listens and for whom: on one machine a socket and perhaps TCP, in a cluster its network.
package struct ControlConfiguration: Sendable {
  /// The Unix socket.
  package struct Socket: Hashable, Sendable {
    /// Absolute; at most 107 bytes (unix(7)). Its folder must exist and belong to the daemon alone.
    package var path: String
    /// Number of a group whose members may connect. Nil: the daemon's own user (and root) only.
    package var group: UInt32?

    package init(path: String, group: UInt32? = nil) {
      self.path = path
      self.group = group
    }
  }

  /// A TCP listener.
  package struct TCP: Sendable {
    package var address: IPAddress
    /// 0: chosen by the system.
    package var port: Int
    package var token: Redacted<String>
    /// Who the holder of the token is.
    package var identity: UserIdentity
    /// Whether an address that other machines can reach is meant. There is no TLS here: only behind something that has
    /// it.
    package var allowsRemote: Bool
    /// Names in `Host` besides the address and the loopback names.
    package var hostNames: [String]

    package init(
      address: IPAddress, port: Int, token: Redacted<String>, identity: UserIdentity, allowsRemote: Bool = false,
      hostNames: [String] = []
    ) {
      self.address = address
      self.port = port
      self.token = token
      self.identity = identity
      self.allowsRemote = allowsRemote
      self.hostNames = hostNames
    }
  }

  /// A listener for a network, whose callers a cluster knows.
  package struct Network: Sendable {
    package var address: IPAddress
    /// 0: chosen by the system.
    package var port: Int
    /// Nil: in clear text, which is for loopback addresses only.
    package var certificate: ServerCertificate?
    package var review: Authenticator.Review

    package init(address: IPAddress, port: Int, certificate: ServerCertificate?, review: @escaping Authenticator.Review) {
      self.address = address
      self.port = port
      self.certificate = certificate
      self.review = review
    }
  }

  package var socket: Socket?
  package var tcp: TCP?
  package var network: Network?
  /// Identifies the installation to clients.
  package var installation: String
  package var version: String
  package var limits: ControlLimits

  package init(
    socket: Socket?, tcp: TCP? = nil, network: Network? = nil, installation: String, version: String,
    limits: ControlLimits = ControlLimits()
  ) {
    self.socket = socket
    self.tcp = tcp
    self.network = network
    self.installation = installation
    self.version = version
    self.limits = limits
  }

  /// - Throws: ``PalanaError`` with code `invalid`: an address that others can reach without being meant to, a token
  ///   that can be guessed, a path that no socket can have.
  package func check() throws(PalanaError) {
    guard socket != nil || tcp != nil || network != nil else { throw PalanaError(.invalid, "the control API listens nowhere") }
    if let socket, !socket.path.hasPrefix("/") || socket.path.utf8.count > 107 {
      throw PalanaError(.invalid, "the control socket needs an absolute path of at most 107 bytes: \(socket.path)")
    }
    try check(network)
    guard let tcp else { return }
    guard tcp.allowsRemote || HostCheck.isLoopback(tcp.address) else {
      throw PalanaError(
        .invalid, "control.listen: \(tcp.address) can be reached from other machines",
        hint: "listen on 127.0.0.1, and put something with TLS in front")
    }
    guard tcp.token.reveal().utf8.count >= 32 else {
      throw PalanaError(.invalid, "the control token has less than 32 characters")
    }
    guard (0...65_535).contains(tcp.port) else { throw PalanaError(.invalid, "control.listen: \(tcp.port) is no port") }
  }

  private func check(_ network: Network?) throws(PalanaError) {
    guard let network else { return }
    guard network.certificate != nil || HostCheck.isLoopback(network.address) else {
      throw PalanaError(
        .invalid, "listen: tokens would cross the network to \(network.address) in clear text", hint: "tls: {certFile: …, keyFile: …}")
    }
    guard (0...65_535).contains(network.port) else { throw PalanaError(.invalid, "listen: \(network.port) is no port") }
  }
}

package import PalanaCore

/// Where the control API of one machine listens and for whom.
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

  package var socket: Socket
  package var tcp: TCP?
  /// Identifies the installation to clients.
  package var installation: String
  package var version: String
  package var limits: ControlLimits

  package init(
    socket: Socket, tcp: TCP? = nil, installation: String, version: String, limits: ControlLimits = ControlLimits()
  ) {
    self.socket = socket
    self.tcp = tcp
    self.installation = installation
    self.version = version
    self.limits = limits
  }

  /// - Throws: ``PalanaError`` with code `invalid`: an address that others can reach without being meant to, a token
  ///   that can be guessed, a path that no socket can have.
  package func check() throws(PalanaError) {
    guard socket.path.hasPrefix("/"), socket.path.utf8.count <= 107 else {
      throw PalanaError(.invalid, "the control socket needs an absolute path of at most 107 bytes: \(socket.path)")
    }
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
}

package import PalanaCore
package import PalanaPolicy

/// How a gateway listens, resolves, dials and bounds.
package struct EgressGatewayConfiguration: Sendable {
  /// A recursive name server.
  package struct NameServer: Sendable, Hashable {
    package var address: IPAddress
    package var port: UInt16

    package init(address: IPAddress, port: UInt16 = 53) {
      self.address = address
      self.port = port
    }
  }

  /// Where agents reach it.
  package var listenAddress: IPAddress
  /// Zero: the system chooses one.
  package var listenPort: UInt16
  /// Event loops; zero: one per core, at most eight.
  package var threads: Int
  /// Empty: those of the system. At most three are used.
  package var nameServers: [NameServer]
  /// Names with a fixed address, looked at before any name server. The address is judged like any other.
  package var staticHosts: [CanonicalHost: IPAddress]
  /// PEM files with further roots that upstream certificates may chain to; those of the system always count.
  package var upstreamCAFiles: [String]
  /// Which addresses may be dialled at all.
  package var addresses: AddressPolicy
  package var limits: EgressLimits
  /// For agents that ignore the proxy variables; nil: they reach nothing.
  package var transparent: TransparentConfiguration?

  package init(
    listenAddress: IPAddress, listenPort: UInt16 = 0, threads: Int = 0, nameServers: [NameServer] = [],
    staticHosts: [CanonicalHost: IPAddress] = [:], upstreamCAFiles: [String] = [], addresses: AddressPolicy,
    limits: EgressLimits = EgressLimits(), transparent: TransparentConfiguration? = nil
  ) {
    self.listenAddress = listenAddress
    self.listenPort = listenPort
    self.threads = threads
    self.nameServers = nameServers
    self.staticHosts = staticHosts
    self.upstreamCAFiles = upstreamCAFiles
    self.addresses = addresses
    self.limits = limits
    self.transparent = transparent
  }
}

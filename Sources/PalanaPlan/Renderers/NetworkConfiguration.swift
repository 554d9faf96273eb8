package import PalanaCore

/// The addresses and names of one installation's agent network. Everything that the installation makes in the kernel carries a
/// name derived from ``prefix``, so that two installations on one machine do not touch each other.
package struct NetworkConfiguration: Hashable, Sendable {
  /// Ports of one Linux bridge (`BR_MAX_PORTS` without the reserved number 0).
  package static let bridgePorts = 1023
  /// UDP and TCP port of the resolver for agents, at the gateway's address.
  package static let resolverPort = 53

  /// 1 to 6 lower-case letters and digits, starting with a letter.
  package let prefix: String
  /// The IPv4 range of the agents and the gateway.
  package let subnet: CIDR
  /// TCP ports of the gateway's address that agents may reach, sorted.
  package let gatewayPorts: [Int]
  /// Bytes of an IP packet on the agents' links.
  package let mtu: Int
  /// At most so many agents have a network at one time.
  package let maximumAgents: Int
  /// Only processes of this user may open connections from the machine to agents.
  package let daemonUserID: UInt32
  /// TCP port of the gateway's address to which everything is redirected that agents open beyond the subnet; nil: nothing is
  /// redirected, and there is no resolver either.
  package let transparentPort: Int?
  /// First address of ``subnet`` in host byte order; the network's own, which nobody uses.
  private let base: UInt32

  /// - Parameters:
  ///   - prefix: names the installation in the kernel.
  ///   - subnet: an IPv4 range with a prefix of 8 to 30 bits.
  ///   - gatewayPorts: 1 to 65535 each.
  ///   - mtu: 576 to 65535.
  ///   - maximumAgents: 1 to ``bridgePorts``.
  ///   - daemonUserID: the user that the daemon runs as.
  ///   - transparentPort: none of `gatewayPorts`, nor the resolver's.
  /// - Throws: ``PalanaError`` with code `invalid`, naming the key.
  package init(
    prefix: String = "palana", subnet: CIDR? = nil, gatewayPorts: [Int] = [3128], mtu: Int = 1500,
    maximumAgents: Int = Self.bridgePorts, daemonUserID: UInt32 = 0, transparentPort: Int? = nil
  ) throws(PalanaError) {
    func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) }
    func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
    guard (1...6).contains(prefix.utf8.count), let first = prefix.utf8.first, isLetter(first),
      prefix.utf8.allSatisfy({ isLetter($0) || isDigit($0) })
    else {
      throw PalanaError(
        .invalid, "network.prefix: ‘\(prefix.prefix(40))’ is not 1 to 6 lower-case letters and digits after a letter")
    }
    let range = if let subnet { subnet } else { try CIDR("10.77.0.0/16") }
    guard case .v4(let base) = range.base, (8...30).contains(range.prefix) else {
      throw PalanaError(.invalid, "network.subnet: ‘\(range)’ is not an IPv4 range of 8 to 30 bits")
    }
    guard gatewayPorts.allSatisfy((1...65535).contains), !gatewayPorts.isEmpty else {
      throw PalanaError(.invalid, "network.gatewayPorts: a port is 1 to 65535, and there is at least one")
    }
    guard (576...65535).contains(mtu) else {
      throw PalanaError(.invalid, "network.mtu: \(mtu) is not 576 to 65535")
    }
    guard (1...Self.bridgePorts).contains(maximumAgents) else {
      throw PalanaError(.invalid, "network.maximumAgents: \(maximumAgents) is not 1 to \(Self.bridgePorts)")
    }
    if let transparentPort {
      guard (1...65535).contains(transparentPort), !(gatewayPorts + [Self.resolverPort]).contains(transparentPort) else {
        throw PalanaError(
          .invalid, "network.transparentPort: \(transparentPort) is not a port of its own from 1 to 65535")
      }
    }
    self.prefix = prefix
    self.subnet = range
    self.gatewayPorts = Set(gatewayPorts).sorted()
    self.mtu = mtu
    self.maximumAgents = maximumAgents
    self.daemonUserID = daemonUserID
    self.transparentPort = transparentPort
    self.base = base
  }
}

extension NetworkConfiguration {
  /// First address of ``subnet`` in host byte order.
  package var subnetValue: UInt32 { base }

  /// The gateway's address: the first host of the subnet.
  package var gateway: IPAddress { .v4(gatewayValue) }

  /// ``gateway`` in host byte order.
  package var gatewayValue: UInt32 { base + 1 }

  /// The bridge's own hardware address.
  package var gatewayMAC: MACAddress { MACAddress(for: gatewayValue) }

  /// Name of the bridge, for example `palana0`.
  package var bridge: String { prefix + "0" }

  /// How the names of the agents' links on the host begin. No other prefix's names can begin like this, since a prefix has no dash.
  package var portPrefix: String { prefix + "-" }

  /// Name of the two nftables tables (families `bridge` and `inet`). With a fixed beginning, since nft has reserved words.
  package var table: String { prefix == "palana" ? "palana" : "palana_" + prefix }

  /// Name of the link of the agent with `address` on the host: the prefix and the address in hexadecimal, 15 bytes at most.
  package func port(for address: UInt32) -> String {
    let digits = String(address, radix: 16)
    return portPrefix + String(repeating: "0", count: 8 - digits.count) + digits
  }

  /// The address in a name that ``port(for:)`` made; nil when it is not such a name.
  package func address(ofPort name: String) -> UInt32? {
    guard name.hasPrefix(portPrefix), let value = UInt32(name.dropFirst(portPrefix.count), radix: 16),
      port(for: value) == name
    else { return nil }
    return value
  }

  /// The value of an address that an agent may have: in the subnet, and neither its first, the gateway's, nor its last.
  /// - Throws: ``PalanaError`` with code `invalid`.
  package func agentAddress(_ address: IPAddress) throws(PalanaError) -> UInt32 {
    let last = base | (UInt32.max >> UInt32(subnet.prefix))
    guard case .v4(let value) = address, value > gatewayValue, value < last else {
      throw PalanaError(.invalid, "\(address) is not an agent's address in \(subnet)")
    }
    return value
  }
}

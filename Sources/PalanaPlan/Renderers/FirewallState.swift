/// What one installation's firewall lets through: the input of ``FirewallRenderer``. Whatever is not named here is dropped.
package struct FirewallState: Hashable, Sendable {
  /// One agent that may speak: only this source address, from this hardware address, on this link.
  package struct LiveAgent: Hashable, Sendable {
    /// Name of the link on the host.
    package var interface: String
    package var mac: MACAddress
    /// IPv4, host byte order.
    package var address: UInt32
    package init(interface: String, mac: MACAddress, address: UInt32) {
      self.interface = interface
      self.mac = mac
      self.address = address
    }
  }

  /// One agent may open TCP connections to a port of another. Without effect unless both are live.
  package struct PeerFlow: Hashable, Sendable {
    /// IPv4, host byte order.
    package var from: UInt32
    /// IPv4, host byte order.
    package var to: UInt32
    package var port: UInt16
    package init(from: UInt32, to: UInt32, port: UInt16) {
      self.from = from
      self.to = to
      self.port = port
    }
  }

  /// The daemon may open TCP connections from the gateway's address to a port of an agent (browser access).
  package struct HostFlow: Hashable, Sendable {
    /// IPv4, host byte order.
    package var to: UInt32
    package var port: UInt16
    package init(to: UInt32, port: UInt16) {
      self.to = to
      self.port = port
    }
  }

  /// How much a counter saw.
  package struct Count: Hashable, Sendable {
    package var packets: UInt64
    package var bytes: UInt64
    package init(packets: UInt64 = 0, bytes: UInt64 = 0) {
      self.packets = packets
      self.bytes = bytes
    }
  }

  package var configuration: NetworkConfiguration
  package var live: [LiveAgent]
  package var peers: [PeerFlow]
  package var hostFlows: [HostFlow]
  /// Where the counters go on, so that a repaired table does not forget what was dropped. Missing ones start at zero.
  package var counts: [FirewallCounter: Count]

  package init(
    configuration: NetworkConfiguration, live: [LiveAgent] = [], peers: [PeerFlow] = [], hostFlows: [HostFlow] = [],
    counts: [FirewallCounter: Count] = [:]
  ) {
    self.configuration = configuration
    self.live = live
    self.peers = peers
    self.hostFlows = hostFlows
    self.counts = counts
  }
}

/// What is dropped, by reason. The raw value is the counter's name in nftables.
package enum FirewallCounter: String, Hashable, Sendable, CaseIterable {
  /// Bridge: neither IPv4 nor ARP (IPv6, VLAN tags, anything else).
  case frameType = "frame_type"
  /// Bridge: the link, hardware address and IP address are not those of one live agent, or not for the gateway.
  case spoofed
  /// Inet: a packet that reached the host by an agent's link without passing the bridge.
  case bypass
  /// Inet: a source that is not live.
  case notLive = "not_live"
  /// Inet: a packet with an agents' address that came from elsewhere.
  case foreign
  /// Inet: a live agent wanted something of this machine other than the gateway.
  case refusedHost = "refused_host"
  /// Inet: a live agent wanted something beyond this machine, or an agent without a peering rule.
  case refusedForward = "refused_forward"
  /// Inet: something on this machine wanted an agent.
  case refusedOutput = "refused_output"

  /// The family of the table that has the counter.
  package var isBridge: Bool { self == .frameType || self == .spoofed }
}

/// The named sets that change while the rules stay.
package enum FirewallSet: String, Hashable, Sendable, CaseIterable {
  /// Bridge: link, hardware address, address of every live agent.
  case livePorts = "live_ports"
  /// Inet: the address of every live agent.
  case live
  /// Inet: from, to, port.
  case peers
  /// Inet: to, port.
  case hostFlows = "host_flows"

  /// The family of the table that has the set.
  package var isBridge: Bool { self == .livePorts }
}

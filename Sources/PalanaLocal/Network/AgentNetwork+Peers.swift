import CLinux
package import PalanaCore

extension AgentNetwork {
  /// Replaces all peering rules. A connection that a removed rule allowed ends with it.
  ///
  /// Peers are separated at the bridge; the host routes between them, packet by packet judged by the firewall. So the bridge
  /// forwards only while there is a rule, and each of the two agents has a route to the other only while there is one. A stricter
  /// firewall of the machine (such as a `forward` chain that drops by default) still applies.
  /// - Throws: ``PalanaError``; rules for agents without a network are kept and take effect when they have one.
  package func setPeers(_ rules: Set<PeerRule>) async throws(PalanaError) {
    try await turnstile.pass { () async throws(PalanaError) in
      try await structure { () throws(NetlinkError) in
        let before = self.table.agentsWithPeers
        if !rules.isEmpty { try self.bridge.setForwarding(true) }
        try self.table.setPeers(rules)
        if rules.isEmpty { try self.bridge.setForwarding(false) }
        for agent in before.union(self.table.agentsWithPeers) { try self.route(agent) }
      }
    }
  }

  /// Replaces the ports of agents that the daemon itself may connect to from the gateway's address.
  package func setHostAccess(_ access: Set<HostAccess>) async throws(PalanaError) {
    try await structure { () throws(NetlinkError) in try self.table.setHostAccess(access) }
  }
}

import PalanaCore

/// Turns a ``FirewallState`` into a script for `nft -f`. Pure: the same state gives the same bytes.
///
/// The script replaces both tables of the installation in one transaction and names nothing else of the machine. Packets see
/// the old rules or the new ones, never none.
///
/// How a packet of an agent is judged, in this order:
/// 1. `bridge prerouting`: the link, the hardware address and the IP address must be one triple of `live_ports`, and IP goes to
///    the bridge's own hardware address only. So there is no spoofing, no broadcast, no multicast, no IPv6 and no agent to agent
///    below IP.
/// 2. `inet prerouting`: the source must be live, before anything else is looked at. There is no "established" shortcut before
///    it: open connections end with the set element. What came by an agent's link but past the bridge (frames to the reserved
///    group addresses `01:80:c2:00:00:0x`, which a bridge hands to its port unseen by the chains above) is dropped here.
/// 3. `inet input`: the gateway's address and ports, or replies to the daemon's own connections; other TCP is reset (the agent
///    learns at once that there is nothing), the rest dropped.
/// 4. `inet forward`: only `peers`, both live; replies only by a connection that was opened the allowed way.
///
/// In transparent mode, TCP to anything beyond the subnet is redirected to the gateway between 2 and 3, and other protocols are
/// rejected.
///
/// An accept here ends only Palana's own chain: a stricter firewall of the machine still applies after it.
package enum FirewallRenderer {
  /// The script. Every line ends with a line break.
  package static func render(state: FirewallState) -> String {
    let tables = ["bridge", "inet"].map { "\($0) \(state.configuration.table)" }
    // `add` before `delete` makes the deletion work whether or not the table is there.
    return tables.map { "add table \($0)\ndelete table \($0)\n" }.joined() + bridge(state) + inet(state)
  }

  private static func bridge(_ state: FirewallState) -> String {
    let network = state.configuration
    let live = state.live.sorted { $0.address < $1.address }
      .map { "\"\($0.interface)\" . \($0.mac) . \(IPAddress.v4($0.address))" }
    return """
      table bridge \(network.table) {
      \(counters(of: state) { $0.isBridge })\
      \(set(.livePorts, type: "ifname . ether_addr . ipv4_addr", live))\
        chain prerouting {
          type filter hook prerouting priority -300; policy accept;
          iifname "\(network.portPrefix)*" goto ports
        }
        chain ports {
          ether type != { ip, arp } counter name "frame_type" drop
          arp htype 1 arp ptype ip arp hlen 6 arp plen 4 arp operation { request, reply } \
      iifname . ether saddr . arp saddr ip @live_ports iifname . arp saddr ether . arp saddr ip @live_ports accept
          ether daddr \(network.gatewayMAC) iifname . ether saddr . ip saddr @live_ports accept
          counter name "spoofed" drop
        }
      }

      """
  }

  private static func inet(_ state: FirewallState) -> String {
    let network = state.configuration
    let open = network.gatewayPorts + (network.transparentPort == nil ? [] : [NetworkConfiguration.resolverPort])
    let ports = "{ " + open.sorted().map(String.init).joined(separator: ", ") + " }"
    let live = state.live.map(\.address).sorted().map { "\(IPAddress.v4($0))" }
    let peers = state.peers.sorted { ($0.from, $0.to, $0.port) < ($1.from, $1.to, $1.port) }
      .map { "\(IPAddress.v4($0.from)) . \(IPAddress.v4($0.to)) . \($0.port)" }
    let hostFlows = state.hostFlows.sorted { ($0.to, $0.port) < ($1.to, $1.port) }
      .map { "\(IPAddress.v4($0.to)) . \($0.port)" }
    return """
      table inet \(network.table) {
      \(counters(of: state) { !$0.isBridge })\
      \(set(.live, type: "ipv4_addr", live))\
      \(set(.peers, type: "ipv4_addr . ipv4_addr . inet_service", peers))\
      \(set(.hostFlows, type: "ipv4_addr . inet_service", hostFlows))\
        chain prerouting {
          type filter hook prerouting priority -300; policy accept;
          iifname "\(network.portPrefix)*" counter name "bypass" drop
          iifname "\(network.bridge)" goto from_agent
          iifname "lo" accept
          ip saddr \(network.subnet) counter name "foreign" drop
          ip daddr \(network.subnet) counter name "foreign" drop
        }
        chain from_agent {
          meta nfproto != ipv4 counter name "not_live" drop
          ip saddr != @live counter name "not_live" drop
          ip daddr \(network.gateway) tcp dport \(ports) notrack\(unredirected(network))
        }
      \(redirection(network))\
        chain input {
          type filter hook input priority 0; policy accept;
          iifname "\(network.bridge)" goto to_host
        }
        chain to_host {
          ip saddr != @live counter name "not_live" drop
          ip daddr \(network.gateway) tcp dport \(ports) accept\(redirectedInput(network))
          ip daddr \(network.gateway) ip saddr . tcp sport @host_flows ct state established ct direction reply accept
          meta l4proto tcp counter name "refused_host" reject with tcp reset
          counter name "refused_host" drop
        }
        chain forward {
          type filter hook forward priority 0; policy accept;
          iifname "\(network.bridge)" goto through
          oifname "\(network.bridge)" counter name "refused_forward" drop
        }
        chain through {
          ip saddr != @live counter name "not_live" drop
          oifname "\(network.bridge)" ip daddr @live ip saddr . ip daddr . tcp dport @peers \
      ct state { new, established } ct direction original accept
          oifname "\(network.bridge)" ip daddr @live ip daddr . ip saddr . tcp sport @peers \
      ct state established ct direction reply accept
          meta l4proto tcp counter name "refused_forward" reject with tcp reset
          counter name "refused_forward" drop
        }
        chain output_raw {
          type filter hook output priority -300; policy accept;
          oifname "\(network.bridge)" ip saddr \(network.gateway) tcp sport \(ports) notrack\(untrackedOutput(network))
        }
        chain output {
          type filter hook output priority 0; policy accept;
          oifname "\(network.bridge)" goto to_agent
        }
        chain to_agent {
          ip daddr != @live counter name "refused_output" drop
          ip saddr \(network.gateway) tcp sport \(ports) tcp flags & (syn | ack) != syn accept\
      \(redirectedOutput(network))
          tcp flags & rst == rst accept
          ip saddr \(network.gateway) ip daddr . tcp dport @host_flows ct state new \
      meta skuid \(network.daemonUserID) accept
          ip saddr \(network.gateway) ip daddr . tcp dport @host_flows ct state established ct direction original accept
          counter name "refused_output" drop
        }
      }

      """
  }

  private static func counters(of state: FirewallState, where isWanted: (FirewallCounter) -> Bool) -> String {
    FirewallCounter.allCases.filter(isWanted).map { counter in
      let count = state.counts[counter] ?? FirewallState.Count()
      return "  counter \(counter.rawValue) { packets \(count.packets) bytes \(count.bytes) }\n"
    }.joined()
  }

  private static func set(_ set: FirewallSet, type: String, _ elements: [String]) -> String {
    let list =
      elements.isEmpty ? "" : "\n    elements = {\n      " + elements.joined(separator: ",\n      ") + "\n    }"
    return "  set \(set.rawValue) {\n    type \(type)\(list)\n  }\n"
  }
}

import PalanaCore

/// The rules of transparent mode. Each is empty when it is off, so that the script is then the one without it.
///
/// What a live agent opens beyond the subnet is sent to the gateway's transparent listener by destination NAT. The connection
/// tracker remembers where it was to go, and the gateway asks it. Nothing in it lets a packet of an agent that is not live pass:
/// `from_agent` comes first for every packet, also of connections that are open, and `to_agent` for every answer.
extension FirewallRenderer {
  /// New connections of one agent in a second that are redirected, so that no agent fills the machine's connection tracker. The rest
  /// is reset before it is tracked.
  private static let openingsPerSecond = 100
  private static let openingsAtOnce = 400

  /// Destinations that are never redirected: none of them can be routed beyond this machine's agents.
  private static func within(_ network: NetworkConfiguration) -> String {
    "{ 0.0.0.0/8, 127.0.0.0/8, \(network.subnet), 224.0.0.0/3 }"
  }

  /// At the end of `from_agent`. QUIC and everything else that is not TCP is rejected, so that clients turn to TCP at once.
  static func unredirected(_ network: NetworkConfiguration) -> String {
    guard network.transparentPort != nil else { return "" }
    return """

          ip daddr \(network.gateway) udp dport \(NetworkConfiguration.resolverPort) notrack
          ip daddr != \(within(network)) meta l4proto udp counter name "refused_forward" reject
      """
  }

  /// The redirection: after the connection tracker, and before anybody else's destination NAT.
  static func redirection(_ network: NetworkConfiguration) -> String {
    guard let port = network.transparentPort else { return "" }
    return """
        set opened {
          type ipv4_addr
          size \(NetworkConfiguration.bridgePorts)
          flags dynamic,timeout
          timeout 1m
        }
        chain opening {
          type filter hook prerouting priority -150; policy accept;
          iifname "\(network.bridge)" ip daddr != \(within(network)) meta l4proto tcp ct state new goto opened_beyond
        }
        chain opened_beyond {
          tcp flags & (fin | syn | rst | ack) != syn counter name "refused_forward" reject with tcp reset
          update @opened { ip saddr limit rate over \(openingsPerSecond)/second burst \(openingsAtOnce) packets } \
      counter name "refused_forward" reject with tcp reset
        }
        chain to_listener {
          type nat hook prerouting priority -110; policy accept;
          iifname "\(network.bridge)" ip daddr != \(within(network)) meta l4proto tcp dnat ip to \(network.gateway):\(port)
        }

      """
  }

  /// In `to_host`: the resolver, and what was redirected. Who calls the listener's own port is refused like any other.
  static func redirectedInput(_ network: NetworkConfiguration) -> String {
    guard let port = network.transparentPort else { return "" }
    return """

          ip daddr \(network.gateway) udp dport \(NetworkConfiguration.resolverPort) accept
          ip daddr \(network.gateway) tcp dport \(port) ct status dnat accept
      """
  }

  /// In `output_raw`: answers of the resolver are not tracked.
  static func untrackedOutput(_ network: NetworkConfiguration) -> String {
    guard network.transparentPort != nil else { return "" }
    return """

          oifname "\(network.bridge)" ip saddr \(network.gateway) udp sport \(NetworkConfiguration.resolverPort) notrack
      """
  }

  /// In `to_agent`: answers of the resolver and of the listener, and what `from_agent` rejects.
  static func redirectedOutput(_ network: NetworkConfiguration) -> String {
    guard let port = network.transparentPort else { return "" }
    return """

          ip saddr \(network.gateway) udp sport \(NetworkConfiguration.resolverPort) accept
          ip saddr \(network.gateway) tcp sport \(port) ct status dnat ct direction reply accept
          ip saddr \(network.gateway) icmp type destination-unreachable accept
      """
  }
}

import PalanaPlan

/// One element of one of the firewall's sets, as the kernel stores it.
enum FirewallElement: Hashable, Sendable {
  case livePort(FirewallState.LiveAgent)
  case live(UInt32)
  case peer(FirewallState.PeerFlow)
  case hostFlow(FirewallState.HostFlow)

  /// The set that it belongs to.
  var set: FirewallSet {
    switch self {
    case .livePort: .livePorts
    case .live: .live
    case .peer: .peers
    case .hostFlow: .hostFlows
    }
  }

  /// The key: its parts one after the other, each in network byte order and padded with zeros to four bytes.
  var key: [UInt8] {
    switch self {
    case .livePort(let agent):
      // An interface name is a field of 16 bytes.
      let name = Array(agent.interface.utf8.prefix(15))
      return name + [UInt8](repeating: 0, count: 16 - name.count) + agent.mac.bytes + [0, 0] + .network(agent.address)
    case .live(let address): return .network(address)
    case .peer(let flow): return .network(flow.from) + .network(flow.to) + .network(flow.port) + [0, 0]
    case .hostFlow(let flow): return .network(flow.to) + .network(flow.port) + [0, 0]
    }
  }

  /// Every element that a state asks for.
  static func all(of state: FirewallState) -> Set<FirewallElement> {
    var result: Set<FirewallElement> = []
    result.reserveCapacity(state.live.count * 2 + state.peers.count + state.hostFlows.count)
    for agent in state.live {
      result.insert(.livePort(agent))
      result.insert(.live(agent.address))
    }
    for flow in state.peers { result.insert(.peer(flow)) }
    for flow in state.hostFlows { result.insert(.hostFlow(flow)) }
    return result
  }
}

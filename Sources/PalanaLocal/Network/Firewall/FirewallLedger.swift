import PalanaCore
import PalanaPlan

/// What ``FirewallTable`` keeps under its lock: the wish, and what it knows of the kernel.
struct FirewallLedger: ~Copyable {
  let configuration: NetworkConfiguration
  var socket: NetlinkSocket
  /// The agents that may speak.
  var live: [AgentID: FirewallState.LiveAgent] = [:]
  /// The agents that are cut off, also those without a network.
  var cut: Set<AgentID> = []
  /// Addresses of all prepared agents, live or not.
  var addresses: [AgentID: UInt32] = [:]
  var peers: Set<PeerRule> = []
  var hostAccess: Set<HostAccess> = []
  /// What the kernel holds, as far as we know.
  var applied: Set<FirewallElement> = []
  /// Structure of the tables as we loaded them; nil before.
  var fingerprint: [UInt8]?
  /// The kernel's generation up to which every change was ours; nil when somebody else's may be among them.
  var generation: UInt32?

  init(_ configuration: NetworkConfiguration, socket: consuming NetlinkSocket) {
    self.configuration = configuration
    self.socket = socket
  }

  /// Writes down the address of an agent that is being prepared.
  /// - Throws: a conflict when the agent has another address, or another agent has this one, or there are too many.
  mutating func register(_ agent: AgentID, address: UInt32) throws(NetlinkError) {
    if let present = addresses[agent] {
      guard present != address else { return }
      throw NetlinkError(
        PalanaError(
          .conflict, "\(agent) has the address \(IPAddress.v4(present)) and not \(IPAddress.v4(address))",
          hint: "release its network first"))
    }
    if let owner = addresses.first(where: { $0.value == address })?.key {
      throw NetlinkError(PalanaError(.conflict, "the address \(IPAddress.v4(address)) belongs to \(owner)"))
    }
    guard addresses.count < configuration.maximumAgents else {
      throw NetlinkError(
        PalanaError(
          .conflict, "no more agents fit on this machine's network: there are \(addresses.count)",
          hint: "stop an agent, or use more than one machine"))
    }
    addresses[agent] = address
  }

  /// The agents that an agent has a peering rule with, in either direction.
  func peers(of agent: AgentID) -> Set<AgentID> {
    Set(peers.compactMap { $0.from == agent ? $0.to : $0.to == agent ? $0.from : nil })
  }

  /// The place in the firewall of the agent with this address.
  func liveAgent(_ address: UInt32) -> FirewallState.LiveAgent {
    FirewallState.LiveAgent(
      interface: configuration.port(for: address), mac: MACAddress(for: address), address: address)
  }

  /// The wish, as the renderer takes it: rules only between agents that are both live.
  var state: FirewallState {
    var state = FirewallState(configuration: configuration, live: Array(live.values))
    for rule in peers {
      guard let from = live[rule.from], let to = live[rule.to] else { continue }
      state.peers.append(FirewallState.PeerFlow(from: from.address, to: to.address, port: rule.port))
    }
    for access in hostAccess {
      guard let to = live[access.agent] else { continue }
      state.hostFlows.append(FirewallState.HostFlow(to: to.address, port: access.port))
    }
    return state
  }
}

import CLinux
import Glibc
package import Logging
import NIOPosix
package import PalanaCore
package import PalanaPlan

/// The agents' network on this machine: one namespace, one isolated link and one place in the firewall per agent.
///
/// The firewall comes first and goes last. Nothing that this type makes lets a packet pass by itself; an agent is let in by an
/// element in the firewall's sets, which is the last step of ``prepare(_:address:)`` and the first thing that
/// ``cut(_:)`` takes away. When the daemon dies, everything stays as it is: agents keep running, and since the gateway is gone
/// with the daemon, they reach nothing.
///
/// Making, repairing and removing networks happen one after the other. A cut waits for none of them.
package final class AgentNetwork: Sendable {
  package let configuration: NetworkConfiguration
  let table: FirewallTable
  let bridge: AgentBridge
  let links: AgentLink
  let namespaces: NamespaceFolder
  let turnstile = Turnstile()
  let logger: Logger

  /// Opens the kernel's interfaces; changes nothing.
  /// - Parameters:
  ///   - configuration: names and addresses.
  ///   - folder: absolute path of the folder for namespaces, such as `HOME/run/netns`; made when it is missing. It must be the
  ///     same at the next start, and belong to this installation only.
  /// - Throws: ``PalanaError`` with code `denied` without root, `failed` on a kernel without netfilter.
  package init(
    configuration: NetworkConfiguration, folder: String, logger: Logger
  ) throws(PalanaError) {
    self.configuration = configuration
    self.logger = logger
    namespaces = NamespaceFolder(path: folder)
    bridge = AgentBridge(configuration: configuration)
    links = AgentLink(configuration: configuration, namespaces: namespaces)
    do throws(NetlinkError) {
      table = try FirewallTable(configuration)
    } catch {
      throw error.asPalanaError
    }
  }

  /// Brings the firewall and the bridge up and adopts what an earlier daemon left: agents that could speak still can, without
  /// interruption; halves of networks are removed. To be called once, before anything else.
  /// - Returns: the adopted agents. ``reconcile(desired:)`` then removes those that nobody wants.
  /// - Throws: ``PalanaError``; `conflict` when the subnet or a name is used by something else on this machine.
  package func start() async throws(PalanaError) -> [AgentNetworkStatus] {
    try await turnstile.pass { () async throws(PalanaError) in
      try await structure { () throws(NetlinkError) in try self.adopt() }
      try await replaceTables()
      try await structure { () throws(NetlinkError) in
        var socket = try NetlinkSocket(CLNET_ROUTE)
        _ = try self.bridge.ensure(forwarding: false, &socket)
      }
    }
    return list()
  }

  /// Makes the agent's network, or finds it as it was made before, and lets the agent speak to the gateway. Takes a few
  /// milliseconds.
  /// - Parameter address: one of the subnet that no other agent has.
  /// - Throws: ``PalanaError``: `invalid` for an address outside the subnet; `conflict` when the address is another agent's,
  ///   the agent has another address, or the machine is full; `denied` when the agent is cut off.
  package func prepare(_ agent: AgentID, address: IPAddress) async throws(PalanaError) -> NetworkHandle {
    let value = try configuration.agentAddress(address)
    try await turnstile.pass { () async throws(PalanaError) in
      let isMade = try await structure { () throws(NetlinkError) in try self.make(agent, value) }
      guard !isMade else { return }
      // Somebody flushed the firewall: nobody starts before it is whole again.
      do throws(PalanaError) {
        try await replaceTables()
      } catch {
        try? await structure { () throws(NetlinkError) in try self.remove([agent]) }
        throw error
      }
    }
    guard table.isLive(agent) else { throw Self.cutOff(agent) }
    return handle(agent, value)
  }

  /// Removes the networks of agents; many at once cost little more than one. Nothing there is success. Whether an agent is cut
  /// off is remembered.
  package func release(_ agents: Set<AgentID>) async throws(PalanaError) {
    try await turnstile.pass { () async throws(PalanaError) in
      try await structure { () throws(NetlinkError) in try self.remove(agents) }
    }
  }

  /// Removes the network of one agent.
  package func release(_ agent: AgentID) async throws(PalanaError) { try await release([agent]) }

  /// Every agent that has a network, by name.
  package func list() -> [AgentNetworkStatus] {
    table.addresses.sorted { $0.key < $1.key }.map { agent, address in
      AgentNetworkStatus(
        agent: agent, handle: handle(agent, address), isLive: table.isLive(agent), isCut: table.isCut(agent))
    }
  }

  /// What the firewall dropped since it was first made, by reason.
  package func dropped() async throws(PalanaError) -> [FirewallCounter: FirewallState.Count] {
    try await structure { () throws(NetlinkError) in self.table.counts() }
  }

  /// Removes every namespace, link, bridge, routing rule and table of this installation and nothing else. The firewall goes
  /// last.
  package func removeEverything() async throws(PalanaError) {
    try await turnstile.pass { () async throws(PalanaError) in
      try await structure { () throws(NetlinkError) in
        var socket = try NetlinkSocket(CLNET_ROUTE)
        try self.links.removeLinks(try self.ownLinks(&socket).map(\.name), &socket)
        for (agent, _) in try self.namespaces.list() { try self.namespaces.remove(agent) }
        // The sets go with their tables, whether or not those are whole.
        try? self.table.forget(self.table.addresses.keys)
        try self.bridge.remove(&socket)
        try self.table.removeTables()
      }
    }
  }
}

// MARK: Inside

extension AgentNetwork {
  /// Runs blocking work on a thread for it, with errors for people.
  func structure<Value: Sendable>(
    _ body: @escaping @Sendable () throws(NetlinkError) -> Value
  ) async throws(PalanaError) -> Value {
    do throws(NetlinkError) {
      return try await BlockingLane.structure.call(body)
    } catch {
      throw error.asPalanaError
    }
  }

  static func cutOff(_ agent: AgentID) -> PalanaError {
    PalanaError(.denied, "\(agent) is cut off", hint: "pcli unkill lets it back")
  }

  func handle(_ agent: AgentID, _ address: UInt32) -> NetworkHandle {
    NetworkHandle(
      namespacePath: namespaces.file(of: agent), interface: configuration.port(for: address),
      mac: MACAddress(for: address), address: .v4(address))
  }

  /// The links on the host that carry our names.
  func ownLinks(_ socket: inout NetlinkSocket) throws(NetlinkError) -> [Link] {
    try socket.dump(LinkMessage.list, "list links").map(Link.init)
      .filter { $0.kind == "veth" && configuration.address(ofPort: $0.name) != nil }
  }

  /// Loads the tables as they should be, and knows afterwards what they look like in the kernel.
  func replaceTables() async throws(PalanaError) {
    for _ in 0..<5 {
      let replacement = try await structure { () throws(NetlinkError) in try self.table.beginReplacement() }
      try await FirewallProgram.load(replacement.script)
      if try await structure({ () throws(NetlinkError) in try self.table.finishReplacement(replacement) }) { return }
    }
    logger.debug("the machine's firewalls change all the time; the agents' rules are loaded again at the next check")
  }

  /// Finds the networks of an earlier daemon. Blocks.
  private func adopt() throws(NetlinkError) {
    try namespaces.create()
    var socket = try NetlinkSocket(CLNET_ROUTE)
    let speaking = table.addressesInKernel()
    let bound = Set(try namespaces.list().filter(\.isBound).map(\.agent))
    var adopted: Set<AgentID> = []
    for link in try ownLinks(&socket) {
      if let agent = link.alias.flatMap(AgentID.init(parsing:)), bound.contains(agent), !adopted.contains(agent),
        let address = configuration.address(ofPort: link.name), (try? configuration.agentAddress(.v4(address))) != nil
      {
        try table.register(agent, address: address)
        if speaking.contains(address) { table.adoptLive(agent) }
        adopted.insert(agent)
      } else {
        logger.info("removed half of a network", metadata: ["link": "\(link.name)"])
        try socket.run([("remove the link \(link.name)", LinkMessage.delete(link.index))], ignoring: [ENODEV])
      }
    }
    for (agent, isBound) in try namespaces.list() where !isBound { try namespaces.remove(agent) }
  }

  /// Makes or repairs the network of one agent and lets it in. Blocks.
  /// - Returns: false when the firewall's tables are not there.
  private func make(_ agent: AgentID, _ address: UInt32) throws(NetlinkError) -> Bool {
    guard !table.isCut(agent) else { throw NetlinkError(Self.cutOff(agent)) }
    let isNew = table.address(of: agent) == nil
    try table.register(agent, address: address)
    var socket = try NetlinkSocket(CLNET_ROUTE)
    do throws(NetlinkError) {
      guard let index = try bridge.index(&socket) else {
        throw NetlinkError(
          PalanaError(.failed, "the agents' bridge is not there", hint: "the next reconciliation brings it back"))
      }
      let wish = AgentLink.Wish(agent: agent, address: address, isUp: true, peers: table.peerAddresses(of: agent))
      let changes = try links.ensure(wish, bridge: index, &socket)
      if isNew || changes.link { try routePeers(to: agent) }
    } catch {
      // Nothing half-made stays behind.
      if isNew {
        try? table.forget([agent])
        try? links.remove([agent: address], &socket)
      }
      throw error
    }
    do throws(NetlinkError) {
      guard try table.admit(agent) else {
        // It was cut off meanwhile.
        try socket.run(
          [("switch the link of \(agent) off", LinkMessage.setUp(configuration.port(for: address), false))],
          ignoring: [ENODEV])
        throw NetlinkError(Self.cutOff(agent))
      }
      return true
    } catch {
      guard error.code == ENOENT else { throw error }
      return false
    }
  }

  /// Removes the networks of agents. Blocks.
  func remove(_ agents: Set<AgentID>) throws(NetlinkError) {
    let addresses = agents.reduce(into: [AgentID: UInt32?]()) { $0[$1] = .some(table.address(of: $1)) }
    let peers = agents.reduce(into: Set<AgentID>()) { $0.formUnion(table.peers(of: $1)) }.subtracting(agents)
    // Out of the sets first: with the address free again, nobody may inherit what it could reach.
    var failure: NetlinkError?
    do throws(NetlinkError) { try table.forget(agents) } catch { failure = error }
    var socket = try NetlinkSocket(CLNET_ROUTE)
    try links.remove(addresses, &socket)
    for peer in peers { try? route(peer) }
    // Without tables there is nothing to take out; the next reconciliation brings them back without these.
    if let failure, failure.code != ENOENT { throw failure }
  }

  /// Gives the peers of an agent that is new their routes to it. Blocks.
  private func routePeers(to agent: AgentID) throws(NetlinkError) {
    for peer in table.peers(of: agent) { try? route(peer) }
  }

  /// Brings the peer routes of one agent to what they should be. Blocks.
  func route(_ agent: AgentID) throws(NetlinkError) {
    guard let address = table.address(of: agent) else { return }
    try links.setPeers(of: agent, address: address, table.peerAddresses(of: agent))
  }
}

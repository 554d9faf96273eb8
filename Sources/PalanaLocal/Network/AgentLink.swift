import CLinux
import Glibc
import PalanaCore
import PalanaPlan

/// The namespace and the link of one agent.
///
/// Inside, the agent has its address as a single one (`/32`) on `eth0`, a route to the gateway on that link, one route by the
/// gateway for each agent that it has a peering rule with, and nothing else: no default route and no route to its neighbours,
/// so that everything else is "network unreachable" at once instead of a time-out. In transparent mode everything else leads to
/// the gateway's address, whose firewall redirects or rejects it; its neighbours, loopback on the link, and multicast are
/// "permission denied" at once. The gateway's hardware address is written down, and so is the agent's on the host, hence ARP is
/// not needed by either.
struct AgentLink: Sendable {
  /// Name of the agent's end inside its namespace.
  static let inside = "eth0"

  let configuration: NetworkConfiguration
  let namespaces: NamespaceFolder

  /// What an agent's network should be.
  struct Wish: Sendable {
    var agent: AgentID
    /// IPv4, host byte order.
    var address: UInt32
    /// Switched on, unless the agent is cut off.
    var isUp: Bool
    /// Addresses of its peers.
    var peers: Set<UInt32>
  }

  /// What had to be made or repaired.
  struct Changes: Sendable {
    var namespace = false
    var link = false
    var settings = false
  }

  /// Makes the namespace and the link what they should be.
  /// - Parameter bridge: index of the bridge.
  func ensure(_ wish: Wish, bridge: UInt32, _ socket: inout NetlinkSocket) throws(NetlinkError) -> Changes {
    var changes = Changes()
    let name = configuration.port(for: wish.address)
    var link = try socket.findLink(name)
    if try !namespaces.isBound(wish.agent) {
      // The link, if any, leads into a namespace that nobody can find any more.
      try delete(link, &socket)
      link = nil
      try namespaces.make(wish.agent)
      changes.namespace = true
    }
    var inner = try NetlinkSocket(CLNET_ROUTE, namespace: namespaces.file(of: wish.agent))
    var end = changes.namespace ? nil : try inner.findLink(Self.inside)
    if !isPair(link, end, wish) {
      try delete(link, &socket)
      if let end { try inner.run([("remove a stray link", LinkMessage.delete(end.index))], ignoring: [ENODEV]) }
      try create(wish, name: name, bridge: bridge, &socket)
      changes.link = true
      link = try socket.findLink(name)
      end = try inner.findLink(Self.inside)
    }
    guard let link, let end else { throw NetlinkError(ENODEV, "make the link of \(wish.agent)") }
    if changes.link || !isConfigured(link, wish, bridge: bridge) {
      changes.settings = true
      // Before it is up, so that it never has an IPv6 address.
      try Sysctl.write(interface: name, Sysctl.noIPv6)
      try socket.run(
        LinkMessage.configurePort(link.index, bridge: bridge, alias: wish.agent.text, mtu: configuration.mtu)
          .map { ("configure the link of \(wish.agent)", $0) })
    }
    try socket.run([
      (
        "write down the port of \(wish.agent)",
        RouteMessage.addForwarding(MACAddress(for: wish.address), port: link.index)
      ),
      (
        "write down the neighbour \(wish.agent)",
        RouteMessage.addNeighbour(wish.address, mac: MACAddress(for: wish.address), link: bridge)
      ),
    ])
    try configureInside(wish, end: end.index, &inner)
    if link.isUp != wish.isUp {
      changes.settings = true
      try socket.run([("switch the link of \(wish.agent)", LinkMessage.setUp(link.index, wish.isUp))])
    }
    return changes
  }

  /// Brings an agent's routes to its peers to what they should be.
  func setPeers(of agent: AgentID, address: UInt32, _ peers: Set<UInt32>) throws(NetlinkError) {
    var inner = try NetlinkSocket(CLNET_ROUTE, namespace: namespaces.file(of: agent))
    guard let end = try inner.findLink(Self.inside) else { throw NetlinkError(ENODEV, "find the link of \(agent)") }
    try setPeers(peers, from: address, end: end.index, &inner)
  }

  /// Removes the links and the namespaces of agents; nothing there is success. The links go first: with them goes all
  /// connection, whoever still holds a namespace.
  func remove(_ agents: [AgentID: UInt32?], _ socket: inout NetlinkSocket) throws(NetlinkError) {
    let addresses = agents.compactMapValues { $0 }
    try removeLinks(addresses.values.map { configuration.port(for: $0) }, &socket)
    if let bridge = try socket.findLink(configuration.bridge) {
      try socket.run(
        addresses.map {
          ("forget the neighbour \($0.key)", RouteMessage.deleteNeighbour($0.value, link: bridge.index))
        },
        ignoring: [ENOENT, ENODEV, EINVAL])
    }
    for agent in agents.keys { try namespaces.remove(agent) }
  }

  /// Removes links on the host by name, all at once.
  func removeLinks(_ names: [String], _ socket: inout NetlinkSocket) throws(NetlinkError) {
    guard !names.isEmpty else { return }
    // A group number that nobody else can have chosen holds exactly these for a moment.
    let group = UInt32.random(in: (1 << 24)...UInt32(Int32.max))
    try socket.run(names.map { ("mark the link \($0)", LinkMessage.setGroup($0, group)) }, ignoring: [ENODEV])
    try socket.run([("remove links", LinkMessage.deleteGroup(group))], ignoring: [ENODEV])
  }

  /// Whether the two are the ends of one pair, with the right address, and nobody else's.
  private func isPair(_ link: Link?, _ end: Link?, _ wish: Wish) -> Bool {
    guard let link, let end else { return false }
    return link.kind == "veth" && end.kind == "veth" && link.peer == end.index && end.peer == link.index
      && end.mac == MACAddress(for: wish.address) && [nil, "", wish.agent.text].contains(link.alias)
  }

  private func create(
    _ wish: Wish, name: String, bridge: UInt32, _ socket: inout NetlinkSocket
  ) throws(NetlinkError) {
    try namespaces.withDescriptor(of: wish.agent) { descriptor throws(NetlinkError) in
      try socket.run([
        (
          "make the link of \(wish.agent)",
          LinkMessage.createPair(
            host: name, hostMAC: MACAddress(.port, for: wish.address), bridge: bridge, inside: Self.inside,
            insideMAC: MACAddress(for: wish.address), namespace: descriptor, mtu: configuration.mtu)
        )
      ])
    }
  }

  private func delete(_ link: Link?, _ socket: inout NetlinkSocket) throws(NetlinkError) {
    guard let link else { return }
    try socket.run([("remove the link \(link.name)", LinkMessage.delete(link.index))], ignoring: [ENODEV])
  }

  private func isConfigured(_ link: Link, _ wish: Wish, bridge: UInt32) -> Bool {
    link.master == bridge && link.alias == wish.agent.text && link.mtu == UInt32(configuration.mtu)
      && link.flags & UInt32(CLNET_IFF_NOARP) != 0 && link.hasPortSettings
  }

  private func configureInside(_ wish: Wish, end: UInt32, _ inner: inout NetlinkSocket) throws(NetlinkError) {
    try inner.run([
      ("switch loopback on", LinkMessage.setUp("lo", true)),
      ("switch the agent's link on", LinkMessage.setUp(end, true)),
      ("give \(wish.agent) its address", RouteMessage.addAddress(wish.address, prefix: 32, link: end)),
      (
        "write down the gateway",
        RouteMessage.addNeighbour(configuration.gatewayValue, mac: configuration.gatewayMAC, link: end)
      ),
      (
        "give \(wish.agent) its route",
        RouteMessage.addRoute(to: configuration.gatewayValue, from: wish.address, gateway: nil, link: end)
      ),
    ])
    try setDefaultRoute(wish, end: end, &inner)
    try setPeers(wish.peers, from: wish.address, end: end, &inner)
  }

  /// The way to the gateway for whatever ignores the proxy variables; taken back where an earlier daemon had it switched on.
  private func setDefaultRoute(_ wish: Wish, end: UInt32, _ inner: inout NetlinkSocket) throws(NetlinkError) {
    let gateway = configuration.gatewayValue
    let prohibited = [(configuration.subnetValue, configuration.subnet.prefix), (0x7f00_0000, 8), (0xe000_0000, 3)]
    if configuration.transparentPort != nil {
      let prohibitions = prohibited.map { ("prohibit a range", RouteMessage.addProhibition(of: $0.0, prefix: $0.1)) }
      try inner.run(
        prohibitions + [
          (
            "give \(wish.agent) its default route",
            RouteMessage.addDefaultRoute(from: wish.address, gateway: gateway, link: end)
          )
        ])
    } else {
      let routes =
        [RouteMessage.deleteDefaultRoute(gateway: gateway, link: end)]
        + prohibited.map { RouteMessage.deleteProhibition(of: $0.0, prefix: $0.1) }
      try inner.run(routes.map { ("take a route back", $0) }, ignoring: [ESRCH])
    }
  }

  private func setPeers(
    _ peers: Set<UInt32>, from address: UInt32, end: UInt32, _ inner: inout NetlinkSocket
  ) throws(NetlinkError) {
    let present = Set(
      try inner.dump(RouteMessage.routes, "list routes").compactMap(RouteMessage.destinationByGateway))
    let messages =
      present.subtracting(peers).map { ("remove a route to a peer", RouteMessage.deleteRoute(to: $0, link: end)) }
      + peers.subtracting(present).map {
        (
          "add a route to a peer",
          RouteMessage.addRoute(to: $0, from: address, gateway: configuration.gatewayValue, link: end)
        )
      }
    try inner.run(messages, ignoring: [ESRCH])
  }
}

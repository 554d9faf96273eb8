import CLinux
import Glibc
import PalanaCore
import PalanaPlan

/// The bridge that carries the agents' links and the gateway's address.
struct AgentBridge: Sendable {
  let configuration: NetworkConfiguration

  /// Makes the bridge what it should be.
  /// - Parameter forwarding: whether the host routes between agents, which only peering needs.
  /// - Returns: its index, and whether anything had to be made or repaired.
  /// - Throws: a conflict when the name or the subnet belongs to something else.
  func ensure(
    forwarding: Bool, _ socket: inout NetlinkSocket
  ) throws(NetlinkError) -> (index: UInt32, isRepaired: Bool) {
    var isRepaired = false
    var link = try find(&socket)
    if link == nil {
      try refuseOverlap(&socket)
      try socket.run(
        [
          (
            "make the bridge",
            LinkMessage.createBridge(configuration.bridge, mac: configuration.gatewayMAC, mtu: configuration.mtu)
          )
        ], ignoring: [EEXIST])
      link = try find(&socket)
      isRepaired = true
    }
    guard let link else { throw NetlinkError(ENODEV, "make the bridge \(configuration.bridge)") }
    guard link.kind == "bridge" else {
      throw NetlinkError(
        PalanaError(
          .conflict, "there is an interface \(configuration.bridge) that is not a bridge",
          hint: "rename it, or set another network.prefix"))
    }
    // Before it is up, so that it never has an IPv6 address.
    try Sysctl.write(interface: configuration.bridge, Sysctl.bridge(forwarding: forwarding))
    if link.mac != configuration.gatewayMAC || link.mtu != UInt32(configuration.mtu) || isRepaired {
      isRepaired = true
      try socket.run([
        (
          "configure the bridge",
          LinkMessage.configureBridge(link.index, mac: configuration.gatewayMAC, mtu: configuration.mtu)
        )
      ])
    }
    let addresses = try socket.dump(RouteMessage.addresses, "list addresses").compactMap(RouteMessage.address)
    let hasAddress = addresses.contains {
      $0.link == link.index && $0.address == configuration.gatewayValue && $0.prefix == configuration.subnet.prefix
    }
    if !hasAddress || !link.isUp {
      isRepaired = true
      try socket.run([
        (
          "give the gateway its address",
          RouteMessage.addAddress(
            configuration.gatewayValue, prefix: configuration.subnet.prefix, link: link.index)
        ), ("switch the bridge on", LinkMessage.setUp(link.index, true)),
      ])
    }
    let rules = try socket.send(rules(RouteMessage.addRules))
    for case let error? in rules where error.code != EEXIST { throw error }
    return (link.index, isRepaired || rules.contains { $0 == nil })
  }

  /// Switches routing between agents on or off.
  func setForwarding(_ isOn: Bool) throws(NetlinkError) {
    try Sysctl.write(interface: configuration.bridge, [("ipv4/forwarding", isOn ? "1" : "0")])
  }

  /// Index of the bridge; nil when there is none.
  func index(_ socket: inout NetlinkSocket) throws(NetlinkError) -> UInt32? { try find(&socket)?.index }

  /// Removes the bridge and its routing rules; nothing there is success.
  func remove(_ socket: inout NetlinkSocket) throws(NetlinkError) {
    if let link = try find(&socket), link.kind == "bridge" {
      try socket.run([("remove the bridge", LinkMessage.delete(link.index))], ignoring: [ENODEV])
    }
    try socket.run(rules(RouteMessage.deleteRules), ignoring: [ENOENT])
  }

  private func find(_ socket: inout NetlinkSocket) throws(NetlinkError) -> Link? {
    try socket.findLink(configuration.bridge)
  }

  private func rules(
    _ make: (String, UInt32, Int) -> [NetlinkMessage]
  ) -> [(String, NetlinkMessage)] {
    make(configuration.bridge, configuration.subnetValue, configuration.subnet.prefix)
      .map { ("set the routing rules", $0) }
  }

  /// An agents' subnet that is also somebody else's would take that traffic away from them, or give it to agents.
  private func refuseOverlap(_ socket: inout NetlinkSocket) throws(NetlinkError) {
    for reply in try socket.dump(RouteMessage.addresses, "list addresses") {
      guard let (_, address, prefix) = RouteMessage.address(in: reply) else { continue }
      let bits = UInt32(min(prefix, configuration.subnet.prefix))
      let mask = bits == 0 ? 0 : UInt32.max << (32 - bits)
      guard address & mask == configuration.subnetValue & mask else { continue }
      throw NetlinkError(
        PalanaError(
          .conflict,
          "the agents' subnet \(configuration.subnet) overlaps \(IPAddress.v4(address))/\(prefix) of this machine",
          hint: "set network.subnet to a range that is not used here"))
    }
  }
}

extension NetlinkSocket {
  /// The link of this name; nil when there is none.
  mutating func findLink(_ name: String) throws(NetlinkError) -> Link? {
    do throws(NetlinkError) {
      return Link(try ask(LinkMessage.find(name), "look for \(name)"))
    } catch {
      guard error.code == ENODEV else { throw error }
      return nil
    }
  }
}

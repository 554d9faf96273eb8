import CLinux
import Glibc
import PalanaPlan

/// Messages about IPv4 addresses, routes, neighbours and routing rules. Addresses are in host byte order.
enum RouteMessage {
  private static let family = UInt8(AF_INET)

  // MARK: Addresses

  /// Every IPv4 address of the namespace.
  static var addresses: NetlinkMessage {
    NetlinkMessage(CLNET_RTM_GETADDR, fixed: [family, 0, 0, 0] + .native(UInt32(0)))
  }

  /// Gives a link an address with a prefix of so many bits. Without a broadcast address: there is no broadcast.
  static func addAddress(_ address: UInt32, prefix: Int, link: UInt32) -> NetlinkMessage {
    var message = NetlinkMessage(
      CLNET_RTM_NEWADDR, flags: CLNET_F_CREATE | CLNET_F_REPLACE,
      fixed: [family, UInt8(prefix), 0, 0] + .native(link))
    message.add(CLNET_IFA_LOCAL, network: address)
    message.add(CLNET_IFA_ADDRESS, network: address)
    return message
  }

  /// An address as listed: the link, the value and the bits of its prefix.
  static func address(in reply: NetlinkReply) -> (link: UInt32, address: UInt32, prefix: Int)? {
    guard let value = reply.attributes(after: 8).network(CLNET_IFA_LOCAL, as: UInt32.self) else { return nil }
    return (
      reply.payload.native(UInt32.self, at: 4), value, Int(reply.payload.native(UInt8.self, at: 1))
    )
  }

  // MARK: Routes

  /// Every IPv4 route of the namespace.
  static var routes: NetlinkMessage {
    NetlinkMessage(CLNET_RTM_GETROUTE, fixed: [family] + [UInt8](repeating: 0, count: 11))
  }

  /// A route to exactly one address: directly on the link, or by way of `gateway`.
  static func addRoute(to address: UInt32, from source: UInt32, gateway: UInt32?, link: UInt32) -> NetlinkMessage {
    var message = NetlinkMessage(
      CLNET_RTM_NEWROUTE, flags: CLNET_F_CREATE | CLNET_F_REPLACE,
      fixed: routeHeader(scope: gateway == nil ? CLNET_RT_SCOPE_LINK : CLNET_RT_SCOPE_UNIVERSE))
    message.add(CLNET_RTA_DST, network: address)
    message.add(CLNET_RTA_PREFSRC, network: source)
    if let gateway { message.add(CLNET_RTA_GATEWAY, network: gateway) }
    message.add(CLNET_RTA_OIF, native: link)
    return message
  }

  /// A route to everything that no other route names, by way of `gateway`.
  static func addDefaultRoute(from source: UInt32, gateway: UInt32, link: UInt32) -> NetlinkMessage {
    var message = NetlinkMessage(
      CLNET_RTM_NEWROUTE, flags: CLNET_F_CREATE | CLNET_F_REPLACE,
      fixed: routeHeader(scope: CLNET_RT_SCOPE_UNIVERSE, prefix: 0))
    message.add(CLNET_RTA_PREFSRC, network: source)
    message.add(CLNET_RTA_GATEWAY, network: gateway)
    message.add(CLNET_RTA_OIF, native: link)
    return message
  }

  /// Takes the route of ``addDefaultRoute(from:gateway:link:)`` back.
  static func deleteDefaultRoute(gateway: UInt32, link: UInt32) -> NetlinkMessage {
    var message = NetlinkMessage(
      CLNET_RTM_DELROUTE, fixed: routeHeader(scope: CLNET_RT_SCOPE_UNIVERSE, prefix: 0))
    message.add(CLNET_RTA_GATEWAY, network: gateway)
    message.add(CLNET_RTA_OIF, native: link)
    return message
  }

  /// A range to which sending fails at once, with "permission denied".
  static func addProhibition(of range: UInt32, prefix: Int) -> NetlinkMessage {
    prohibition(CLNET_RTM_NEWROUTE, flags: CLNET_F_CREATE | CLNET_F_REPLACE, range, prefix)
  }

  /// Takes a prohibition back.
  static func deleteProhibition(of range: UInt32, prefix: Int) -> NetlinkMessage {
    prohibition(CLNET_RTM_DELROUTE, flags: 0, range, prefix)
  }

  private static func prohibition(_ type: Int, flags: Int, _ range: UInt32, _ prefix: Int) -> NetlinkMessage {
    var message = NetlinkMessage(
      type, flags: flags,
      fixed: routeHeader(scope: CLNET_RT_SCOPE_UNIVERSE, prefix: prefix, kind: CLNET_RTN_PROHIBIT))
    message.add(CLNET_RTA_DST, network: range)
    return message
  }

  /// Takes a route to one address back.
  static func deleteRoute(to address: UInt32, link: UInt32) -> NetlinkMessage {
    var message = NetlinkMessage(CLNET_RTM_DELROUTE, fixed: routeHeader(scope: CLNET_RT_SCOPE_UNIVERSE))
    message.add(CLNET_RTA_DST, network: address)
    message.add(CLNET_RTA_OIF, native: link)
    return message
  }

  /// The destination of a listed route to one address by a gateway; nil for every other route.
  static func destinationByGateway(in reply: NetlinkReply) -> UInt32? {
    let attributes = reply.attributes(after: 12)
    guard reply.payload.native(UInt8.self, at: 1) == 32, attributes[CLNET_RTA_GATEWAY] != nil else { return nil }
    return attributes.network(CLNET_RTA_DST, as: UInt32.self)
  }

  private static func routeHeader(scope: Int, prefix: Int = 32, kind: Int = CLNET_RTN_UNICAST) -> [UInt8] {
    [
      family, UInt8(prefix), 0, 0, UInt8(CLNET_RT_TABLE_MAIN), UInt8(CLNET_RTPROT_STATIC), UInt8(scope), UInt8(kind),
      0, 0, 0, 0,
    ]
  }

  // MARK: Neighbours

  /// Writes down who has an address, for good, so that nobody is asked and nobody can answer wrongly.
  static func addNeighbour(_ address: UInt32, mac: MACAddress, link: UInt32) -> NetlinkMessage {
    var message = NetlinkMessage(
      CLNET_RTM_NEWNEIGH, flags: CLNET_F_CREATE | CLNET_F_REPLACE,
      fixed: neighbourHeader(family: family, link: link, state: CLNET_NUD_PERMANENT, flags: 0))
    message.add(CLNET_NDA_DST, network: address)
    message.add(CLNET_NDA_LLADDR, mac.bytes)
    return message
  }

  /// Forgets who had an address.
  static func deleteNeighbour(_ address: UInt32, link: UInt32) -> NetlinkMessage {
    var message = NetlinkMessage(
      CLNET_RTM_DELNEIGH, fixed: neighbourHeader(family: family, link: link, state: 0, flags: 0))
    message.add(CLNET_NDA_DST, network: address)
    return message
  }

  /// Writes down behind which port of the bridge a hardware address is.
  static func addForwarding(_ mac: MACAddress, port: UInt32) -> NetlinkMessage {
    var message = NetlinkMessage(
      CLNET_RTM_NEWNEIGH, flags: CLNET_F_CREATE | CLNET_F_REPLACE,
      fixed: neighbourHeader(
        family: UInt8(AF_BRIDGE), link: port, state: CLNET_NUD_NOARP, flags: CLNET_NTF_MASTER))
    message.add(CLNET_NDA_LLADDR, mac.bytes)
    return message
  }

  private static func neighbourHeader(family: UInt8, link: UInt32, state: Int, flags: Int) -> [UInt8] {
    [family, 0, 0, 0] + .native(link) + .native(UInt16(state)) + [UInt8(flags), 0]
  }

  // MARK: Routing rules

  /// Priority of the first of the two rules; well before the main table's 32766.
  static let rulePriority: UInt32 = 7177

  /// What comes in by the bridge is routed within the agents' subnet or nowhere, also when forwarding is on and every firewall
  /// of the machine was flushed.
  static func addRules(bridge: String, subnet: UInt32, prefix: Int) -> [NetlinkMessage] {
    rules(CLNET_RTM_NEWRULE, flags: CLNET_F_CREATE | CLNET_F_EXCL, bridge: bridge, subnet: subnet, prefix: prefix)
  }

  /// Takes the rules of ``addRules(bridge:subnet:prefix:)`` back.
  static func deleteRules(bridge: String, subnet: UInt32, prefix: Int) -> [NetlinkMessage] {
    rules(CLNET_RTM_DELRULE, flags: 0, bridge: bridge, subnet: subnet, prefix: prefix)
  }

  private static func rules(
    _ type: Int, flags: Int, bridge: String, subnet: UInt32, prefix: Int
  ) -> [NetlinkMessage] {
    func header(prefix: Int, table: Int, action: Int) -> [UInt8] {
      [family, UInt8(prefix), 0, 0, UInt8(table), 0, 0, UInt8(action), 0, 0, 0, 0]
    }
    var within = NetlinkMessage(
      type, flags: flags, fixed: header(prefix: prefix, table: CLNET_RT_TABLE_MAIN, action: CLNET_FR_ACT_TO_TBL))
    within.add(CLNET_FRA_DST, network: subnet)
    within.add(CLNET_FRA_IIFNAME, text: bridge)
    within.add(CLNET_FRA_PRIORITY, native: rulePriority)
    var nowhere = NetlinkMessage(
      type, flags: flags, fixed: header(prefix: 0, table: 0, action: CLNET_FR_ACT_BLACKHOLE))
    nowhere.add(CLNET_FRA_IIFNAME, text: bridge)
    nowhere.add(CLNET_FRA_PRIORITY, native: rulePriority + 1)
    return [within, nowhere]
  }
}

import CLinux
import PalanaPlan

/// A network interface as the kernel describes it.
struct Link: Sendable {
  let index: UInt32
  let name: String
  let flags: UInt32
  /// A note that Palana leaves on its links: the agent.
  let alias: String?
  let mac: MACAddress?
  let mtu: UInt32?
  /// Index of the other end of a pair, in its own namespace.
  let peer: UInt32?
  /// Index of the bridge that it is a port of.
  let master: UInt32?
  /// `bridge`, `veth` and so on; nil for physical ones.
  let kind: String?
  /// By attribute number; empty when it is not a port.
  let portSettings: NetlinkAttributes

  init(_ reply: NetlinkReply) {
    let attributes = reply.attributes(after: 16)
    let info = attributes.nested(CLNET_IFLA_LINKINFO)
    index = reply.payload.native(UInt32.self, at: 4)
    flags = reply.payload.native(UInt32.self, at: 8)
    name = attributes.text(CLNET_IFLA_IFNAME) ?? ""
    alias = attributes.text(CLNET_IFLA_IFALIAS)
    mac = attributes[CLNET_IFLA_ADDRESS].flatMap { MACAddress(bytes: $0) }
    mtu = attributes.native(CLNET_IFLA_MTU)
    peer = attributes.native(CLNET_IFLA_LINK)
    master = attributes.native(CLNET_IFLA_MASTER)
    kind = info.text(CLNET_IFLA_INFO_KIND)
    portSettings = info.nested(CLNET_IFLA_INFO_SLAVE_DATA)
  }

  /// Whether it is switched on by whoever manages it.
  var isUp: Bool { flags & UInt32(CLNET_IFF_UP) != 0 }
}

extension Link {
  /// What makes a port of our bridge one that can speak with the host only, and only by what is written down.
  static let portSettings: [(attribute: Int, value: UInt8)] = [
    (CLNET_IFLA_BRPORT_ISOLATED, 1),
    (CLNET_IFLA_BRPORT_LEARNING, 0),
    (CLNET_IFLA_BRPORT_UNICAST_FLOOD, 0),
    (CLNET_IFLA_BRPORT_MCAST_FLOOD, 0),
    (CLNET_IFLA_BRPORT_BCAST_FLOOD, 0),
    // Never accept a frame that says it comes from the topology protocol, never answer for others, no hairpin.
    (CLNET_IFLA_BRPORT_GUARD, 1),
    (CLNET_IFLA_BRPORT_PROXYARP, 0),
    (CLNET_IFLA_BRPORT_MODE, 0),
  ]

  /// Whether every one of ``portSettings`` holds.
  var hasPortSettings: Bool {
    Self.portSettings.allSatisfy { portSettings[$0.attribute].map { Array($0) } == [$0.value] }
  }
}

/// Messages about links.
enum LinkMessage {
  private static func header(index: UInt32 = 0, flags: Int = 0, change: Int = 0, family: UInt8 = 0) -> [UInt8] {
    [family, 0, 0, 0] + .native(index) + .native(UInt32(flags)) + .native(UInt32(change))
  }

  /// Every link.
  static var list: NetlinkMessage { NetlinkMessage(CLNET_RTM_GETLINK, fixed: header()) }

  /// One link; the kernel answers ENODEV when there is none.
  static func find(_ name: String) -> NetlinkMessage {
    var message = NetlinkMessage(CLNET_RTM_GETLINK, fixed: header())
    message.add(CLNET_IFLA_IFNAME, text: name)
    return message
  }

  /// A bridge that learns, forwards and asks nothing by itself.
  static func createBridge(_ name: String, mac: MACAddress, mtu: Int) -> NetlinkMessage {
    var message = NetlinkMessage(CLNET_RTM_NEWLINK, flags: CLNET_F_CREATE | CLNET_F_EXCL, fixed: header())
    message.add(CLNET_IFLA_IFNAME, text: name)
    message.add(CLNET_IFLA_ADDRESS, mac.bytes)
    message.add(CLNET_IFLA_MTU, native: UInt32(mtu))
    addBridgeSettings(&message)
    return message
  }

  /// Brings the settings of an existing bridge back.
  static func configureBridge(_ index: UInt32, mac: MACAddress, mtu: Int) -> NetlinkMessage {
    var message = NetlinkMessage(CLNET_RTM_NEWLINK, fixed: header(index: index))
    message.add(CLNET_IFLA_ADDRESS, mac.bytes)
    message.add(CLNET_IFLA_MTU, native: UInt32(mtu))
    addBridgeSettings(&message)
    return message
  }

  private static func addBridgeSettings(_ message: inout NetlinkMessage) {
    message.nest(CLNET_IFLA_LINKINFO) { info in
      info.add(CLNET_IFLA_INFO_KIND, text: "bridge")
      info.nest(CLNET_IFLA_INFO_DATA) { data in
        data.add(CLNET_IFLA_BR_STP_STATE, native: 0)
        data.add(CLNET_IFLA_BR_FORWARD_DELAY, native: 0)
        data.add(CLNET_IFLA_BR_MCAST_SNOOPING, [0])
      }
    }
  }

  /// A pair of links: one on the host, a port of `bridge` and still down; the other in the namespace behind `descriptor`.
  static func createPair(
    host: String, hostMAC: MACAddress, bridge: UInt32, inside: String, insideMAC: MACAddress,
    namespace descriptor: Int32,
    mtu: Int
  ) -> NetlinkMessage {
    var message = NetlinkMessage(
      CLNET_RTM_NEWLINK, flags: CLNET_F_CREATE | CLNET_F_EXCL, fixed: header())
    message.add(CLNET_IFLA_IFNAME, text: host)
    message.add(CLNET_IFLA_ADDRESS, hostMAC.bytes)
    message.add(CLNET_IFLA_MTU, native: UInt32(mtu))
    message.add(CLNET_IFLA_MASTER, native: bridge)
    message.nest(CLNET_IFLA_LINKINFO) { info in
      info.add(CLNET_IFLA_INFO_KIND, text: "veth")
      info.nest(CLNET_IFLA_INFO_DATA) { data in
        data.nest(CLNET_VETH_INFO_PEER) { peer in
          peer.addFixed(header())
          peer.add(CLNET_IFLA_IFNAME, text: inside)
          peer.add(CLNET_IFLA_ADDRESS, insideMAC.bytes)
          peer.add(CLNET_IFLA_MTU, native: UInt32(mtu))
          peer.add(CLNET_IFLA_NET_NS_FD, native: UInt32(bitPattern: descriptor))
        }
      }
    }
    return message
  }

  /// Writes the agent on the link and makes it a silent, isolated port of the bridge.
  ///
  /// The host answers no ARP on it: a bridge hands frames to reserved group addresses to the port itself.
  static func configurePort(_ index: UInt32, bridge: UInt32, alias: String, mtu: Int) -> [NetlinkMessage] {
    var link = NetlinkMessage(
      CLNET_RTM_NEWLINK,
      fixed: header(index: index, flags: CLNET_IFF_NOARP, change: CLNET_IFF_NOARP))
    link.add(CLNET_IFLA_IFALIAS, Array(alias.utf8))
    link.add(CLNET_IFLA_MTU, native: UInt32(mtu))
    link.add(CLNET_IFLA_MASTER, native: bridge)
    // A message of its own, since these are settings of the bridge's port, which exists only after the one above.
    var port = NetlinkMessage(CLNET_RTM_NEWLINK, fixed: header(index: index))
    port.nest(CLNET_IFLA_LINKINFO) { info in
      info.add(CLNET_IFLA_INFO_SLAVE_KIND, text: "bridge")
      info.nest(CLNET_IFLA_INFO_SLAVE_DATA) { data in
        for (attribute, value) in Link.portSettings { data.add(attribute, [value]) }
      }
    }
    return [link, port]
  }

  /// Switches the link of this name on or off; the kernel answers ENODEV when there is none.
  static func setUp(_ name: String, _ isUp: Bool) -> NetlinkMessage {
    var message = NetlinkMessage(
      CLNET_RTM_NEWLINK, fixed: header(flags: isUp ? CLNET_IFF_UP : 0, change: CLNET_IFF_UP))
    message.add(CLNET_IFLA_IFNAME, text: name)
    return message
  }

  /// Switches a link on or off.
  static func setUp(_ index: UInt32, _ isUp: Bool) -> NetlinkMessage {
    NetlinkMessage(
      CLNET_RTM_NEWLINK, fixed: header(index: index, flags: isUp ? CLNET_IFF_UP : 0, change: CLNET_IFF_UP))
  }

  /// Deletes a link, and the other end of a pair with it.
  static func delete(_ index: UInt32) -> NetlinkMessage {
    NetlinkMessage(CLNET_RTM_DELLINK, fixed: header(index: index))
  }

  /// Puts the link of this name into a group of links; the kernel answers ENODEV when there is none.
  static func setGroup(_ name: String, _ group: UInt32) -> NetlinkMessage {
    var message = NetlinkMessage(CLNET_RTM_NEWLINK, fixed: header())
    message.add(CLNET_IFLA_IFNAME, text: name)
    message.add(CLNET_IFLA_GROUP, native: group)
    return message
  }

  /// Deletes all links of a group, and the other ends of pairs with them, in little more than the time for one; the kernel
  /// answers ENODEV when there is none.
  static func deleteGroup(_ group: UInt32) -> NetlinkMessage {
    var message = NetlinkMessage(CLNET_RTM_DELLINK, fixed: header())
    message.add(CLNET_IFLA_GROUP, native: group)
    return message
  }
}

import CLinux
import PalanaPlan

/// Messages to nftables about the tables of one installation.
struct FirewallMessage: Sendable {
  /// Name of both tables.
  let table: String

  private func message(_ number: Int, bridge: Bool, flags: Int = 0) -> NetlinkMessage {
    let family = UInt8(bridge ? CLNET_NFPROTO_BRIDGE : CLNET_NFPROTO_INET)
    return NetlinkMessage(CLNET_NFT_SUBSYSTEM << 8 | number, flags: flags, fixed: [family, 0, 0, 0])
  }

  /// Number of the rule set's present generation: every committed transaction of anybody raises it by one.
  var generation: NetlinkMessage { message(CLNET_NFT_GETGEN, bridge: false) }

  /// Makes sure that the elements are there; those that are stay.
  func add(_ elements: Set<FirewallElement>) -> [NetlinkMessage] {
    messages(CLNET_NFT_NEWSETELEM, flags: CLNET_F_CREATE, elements)
  }

  /// Makes sure that the elements are not there. Deleting one that is missing fails in older kernels, so each is first added
  /// in the same transaction, which no packet ever sees.
  func remove(_ elements: Set<FirewallElement>) -> [NetlinkMessage] {
    add(elements) + messages(CLNET_NFT_DELSETELEM, flags: 0, elements)
  }

  private func messages(_ number: Int, flags: Int, _ elements: Set<FirewallElement>) -> [NetlinkMessage] {
    var result: [NetlinkMessage] = []
    for set in FirewallSet.allCases {
      let keys = elements.filter { $0.set == set }.map(\.key)
      // The list is one attribute, whose length is a 16-bit number.
      for start in stride(from: 0, to: keys.count, by: 500) {
        var message = message(number, bridge: set.isBridge, flags: flags)
        message.add(CLNET_NFTA_SET_ELEM_LIST_TABLE, text: table)
        message.add(CLNET_NFTA_SET_ELEM_LIST_SET, text: set.rawValue)
        message.nest(CLNET_NFTA_SET_ELEM_LIST_ELEMENTS) { list in
          for key in keys[start..<min(start + 500, keys.count)] {
            list.nest(CLNET_NFTA_LIST_ELEM) { element in
              element.nest(CLNET_NFTA_SET_ELEM_KEY) { $0.add(CLNET_NFTA_DATA_VALUE, key) }
            }
          }
        }
        result.append(message)
      }
    }
    return result
  }

  /// Removes one of the tables with all that is in it.
  func removeTable(bridge: Bool) -> NetlinkMessage {
    var message = message(CLNET_NFT_DELTABLE, bridge: bridge)
    message.add(CLNET_NFTA_TABLE_NAME, text: table)
    return message
  }

  // MARK: Reading

  /// The elements of a set, as ``keys(in:)`` reads them.
  func elements(of set: FirewallSet) -> NetlinkMessage {
    var message = message(CLNET_NFT_GETSETELEM, bridge: set.isBridge)
    message.add(CLNET_NFTA_SET_ELEM_LIST_TABLE, text: table)
    message.add(CLNET_NFTA_SET_ELEM_LIST_SET, text: set.rawValue)
    return message
  }

  /// The keys in the answers to ``elements(of:)``.
  func keys(in replies: [NetlinkReply]) -> Set<[UInt8]> {
    var result: Set<[UInt8]> = []
    for reply in replies {
      for element in reply.attributes(after: 4).nested(CLNET_NFTA_SET_ELEM_LIST_ELEMENTS).list {
        let key = NetlinkAttributes(element).nested(CLNET_NFTA_SET_ELEM_KEY)
        if let value = key[CLNET_NFTA_DATA_VALUE] { result.insert(Array(value)) }
      }
    }
    return result
  }

  /// What to list to see the structure: tables, chains, rules and sets. All of the machine; answers are picked by name.
  func structure(bridge: Bool) -> [NetlinkMessage] {
    [CLNET_NFT_GETTABLE, CLNET_NFT_GETCHAIN, CLNET_NFT_GETRULE, CLNET_NFT_GETSET].map { message($0, bridge: bridge) }
  }

  /// Bytes that change when anybody changes the structure of our tables: flags, chains with their hooks and policies, rules
  /// and their order, sets. Handles, elements and counters are not in it, so that loading one script twice gives the same.
  func fingerprint(of replies: [NetlinkReply], bridge: Bool) -> [UInt8] {
    let family = UInt8(bridge ? CLNET_NFPROTO_BRIDGE : CLNET_NFPROTO_INET)
    var result: [UInt8] = []
    for reply in replies where reply.payload.first == family {
      let attributes = reply.attributes(after: 4)
      // Attribute 1 is the table's name in each of these.
      guard attributes.text(CLNET_NFTA_TABLE_NAME) == table else { continue }
      let kind = reply.type & 0xff
      result += .native(UInt32(truncatingIfNeeded: kind))
      for attribute in Self.structuralAttributes[kind] ?? [] {
        let value = attributes[attribute] ?? []
        result += .native(UInt32(truncatingIfNeeded: value.count)) + value
      }
    }
    return result
  }

  /// By the number of the answer, which is one less than that of the question.
  private static let structuralAttributes = [
    CLNET_NFT_GETTABLE - 1: [CLNET_NFTA_TABLE_FLAGS],
    CLNET_NFT_GETCHAIN - 1: [
      CLNET_NFTA_CHAIN_NAME, CLNET_NFTA_CHAIN_HOOK, CLNET_NFTA_CHAIN_POLICY, CLNET_NFTA_CHAIN_TYPE,
      CLNET_NFTA_CHAIN_FLAGS,
    ],
    CLNET_NFT_GETRULE - 1: [CLNET_NFTA_RULE_CHAIN, CLNET_NFTA_RULE_EXPRESSIONS],
    CLNET_NFT_GETSET - 1: [
      CLNET_NFTA_SET_NAME, CLNET_NFTA_SET_FLAGS, CLNET_NFTA_SET_KEY_TYPE, CLNET_NFTA_SET_KEY_LEN,
    ],
  ]

  /// What to list to see the counters of a table.
  func objects(bridge: Bool) -> NetlinkMessage { message(CLNET_NFT_GETOBJ, bridge: bridge) }

  /// The counters in the answers to ``objects(bridge:)``.
  func counts(in replies: [NetlinkReply], bridge: Bool) -> [FirewallCounter: FirewallState.Count] {
    let family = UInt8(bridge ? CLNET_NFPROTO_BRIDGE : CLNET_NFPROTO_INET)
    var result: [FirewallCounter: FirewallState.Count] = [:]
    for reply in replies where reply.payload.first == family {
      let attributes = reply.attributes(after: 4)
      guard attributes.text(CLNET_NFTA_OBJ_TABLE) == table,
        attributes.network(CLNET_NFTA_OBJ_TYPE, as: UInt32.self) == UInt32(CLNET_NFT_OBJECT_COUNTER),
        let counter = attributes.text(CLNET_NFTA_OBJ_NAME).flatMap(FirewallCounter.init(rawValue:)),
        counter.isBridge == bridge
      else { continue }
      let data = attributes.nested(CLNET_NFTA_OBJ_DATA)
      result[counter] = FirewallState.Count(
        packets: data.network(CLNET_NFTA_COUNTER_PACKETS, as: UInt64.self) ?? 0,
        bytes: data.network(CLNET_NFTA_COUNTER_BYTES, as: UInt64.self) ?? 0)
    }
    return result
  }
}

import CLinux
import Glibc
import PalanaCore
import PalanaPlan
import Synchronization

/// The firewall tables in the kernel and what they should hold.
///
/// Every change of the wish and its transaction happen under one lock, so a kill and an admission that race end in the kernel
/// in the same order as in the ledger: a cut agent is never let in by an operation that began earlier. All methods block (for
/// a fraction of a millisecond, or a few while listing) and belong on a thread of their own.
final class FirewallTable: Sendable {
  private let message: FirewallMessage
  private let ledger: Mutex<FirewallLedger>

  /// Opens the socket to the kernel; changes nothing.
  init(_ configuration: NetworkConfiguration) throws(NetlinkError) {
    message = FirewallMessage(table: configuration.table)
    ledger = Mutex(FirewallLedger(configuration, socket: try NetlinkSocket(CLNET_NETFILTER)))
  }

  // MARK: The wish

  /// Writes down the address of an agent that is being prepared. It cannot speak yet.
  /// - Throws: a conflict when the agent has another address, or another agent has this one, or there are too many.
  func register(_ agent: AgentID, address: UInt32) throws(NetlinkError) {
    try ledger.withLock { ledger throws(NetlinkError) in try ledger.register(agent, address: address) }
  }

  /// Address of a prepared agent.
  func address(of agent: AgentID) -> UInt32? { ledger.withLock { $0.addresses[agent] } }

  /// Every prepared agent and its address.
  var addresses: [AgentID: UInt32] { ledger.withLock { $0.addresses } }

  /// Whether the agent may speak.
  func isLive(_ agent: AgentID) -> Bool { ledger.withLock { $0.live[agent] != nil } }

  /// Whether the agent is cut off.
  func isCut(_ agent: AgentID) -> Bool { ledger.withLock { $0.cut.contains(agent) } }

  /// Lets a registered agent speak.
  /// - Returns: false when it is cut off, and stays so.
  func admit(_ agent: AgentID) throws(NetlinkError) -> Bool {
    try ledger.withLock { ledger throws(NetlinkError) in
      guard !ledger.cut.contains(agent), let address = ledger.addresses[agent] else { return false }
      ledger.live[agent] = ledger.liveAgent(address)
      try apply(&ledger, "let \(agent) through the firewall")
      return true
    }
  }

  /// Writes down that an agent speaks already, as found after a restart. Nothing changes in the kernel.
  func adoptLive(_ agent: AgentID) {
    ledger.withLock { ledger in
      guard let address = ledger.addresses[agent] else { return }
      ledger.live[agent] = ledger.liveAgent(address)
    }
  }

  /// Cuts agents off, also those that are not registered yet. Their elements are removed even if they should not be there.
  func cut(_ agents: Set<AgentID>) throws(NetlinkError) {
    try ledger.withLock { ledger throws(NetlinkError) in
      ledger.cut.formUnion(agents)
      var known: Set<FirewallElement> = []
      for agent in agents {
        ledger.live[agent] = nil
        guard let address = ledger.addresses[agent] else { continue }
        known.insert(.livePort(ledger.liveAgent(address)))
        known.insert(.live(address))
      }
      try apply(&ledger, "cut agents off in the firewall", removing: known)
    }
  }

  /// Forgets that agents are cut off. They are not admitted by this.
  func uncut(_ agents: Set<AgentID>) { ledger.withLock { $0.cut.subtract(agents) } }

  /// Takes agents that go away out of everything. Whether they are cut off is remembered.
  func forget(_ agents: some Sequence<AgentID>) throws(NetlinkError) {
    try ledger.withLock { ledger throws(NetlinkError) in
      var known: Set<FirewallElement> = []
      for agent in agents {
        ledger.live[agent] = nil
        guard let address = ledger.addresses.removeValue(forKey: agent) else { continue }
        known.insert(.livePort(ledger.liveAgent(address)))
        known.insert(.live(address))
      }
      try apply(&ledger, "take agents out of the firewall", removing: known)
    }
  }

  /// Replaces the peering rules. Rules of agents that are not live have no effect until they are.
  func setPeers(_ rules: Set<PeerRule>) throws(NetlinkError) {
    try ledger.withLock { ledger throws(NetlinkError) in
      ledger.peers = rules
      try apply(&ledger, "set the peering rules")
    }
  }

  /// Replaces the ports of agents that the daemon may connect to.
  func setHostAccess(_ access: Set<HostAccess>) throws(NetlinkError) {
    try ledger.withLock { ledger throws(NetlinkError) in
      ledger.hostAccess = access
      try apply(&ledger, "set the ports that the daemon may reach")
    }
  }

  /// Whether any peering rule is in force, so that the bridge must route.
  var needsForwarding: Bool { ledger.withLock { !$0.peers.isEmpty } }

  /// The agents that an agent has a peering rule with, in either direction.
  func peers(of agent: AgentID) -> Set<AgentID> {
    ledger.withLock { $0.peers(of: agent) }
  }

  /// Every agent of a peering rule.
  var agentsWithPeers: Set<AgentID> {
    ledger.withLock { ledger in ledger.peers.reduce(into: []) { $0.formUnion([$1.from, $1.to]) } }
  }

  /// The addresses of the prepared agents that an agent has a peering rule with, in either direction.
  func peerAddresses(of agent: AgentID) -> Set<UInt32> {
    ledger.withLock { ledger in Set(ledger.peers(of: agent).compactMap { ledger.addresses[$0] }) }
  }

  // MARK: The kernel

  /// Brings the kernel's sets from what was applied to what is wanted, in one transaction.
  private func apply(
    _ ledger: inout FirewallLedger, _ operation: String, removing: Set<FirewallElement> = []
  ) throws(NetlinkError) {
    let wanted = FirewallElement.all(of: ledger.state)
    let gone = ledger.applied.subtracting(wanted).union(removing)
    let messages = message.remove(gone) + message.add(wanted.subtracting(ledger.applied))
    guard !messages.isEmpty else { return }
    let before = try? generation(&ledger)
    do {
      try ledger.socket.commit(messages, operation)
    } catch {
      // What is in the kernel now is unknown: the next inspection looks.
      ledger.generation = nil
      throw error
    }
    ledger.applied = wanted
    let after = try? generation(&ledger)
    ledger.generation = before != nil && before == ledger.generation && after == before.map { $0 &+ 1 } ? after : nil
  }

  private func generation(_ ledger: inout FirewallLedger) throws(NetlinkError) -> UInt32 {
    let reply = try ledger.socket.ask(message.generation, "read the firewall's generation")
    guard let value = reply.attributes(after: 4).network(CLNET_NFTA_GEN_ID, as: UInt32.self) else {
      throw NetlinkError(EPROTO, "read the firewall's generation")
    }
    return value
  }

  /// Whether the kernel holds exactly what is wanted. Costs one question as long as nobody else changed any firewall.
  func isIntact() throws(NetlinkError) -> Bool {
    try ledger.withLock { ledger throws(NetlinkError) in
      let before = try generation(&ledger)
      if ledger.generation == before { return true }
      guard let expected = ledger.fingerprint, try fingerprint(&ledger) == expected else { return false }
      let wanted = FirewallElement.all(of: ledger.state)
      for set in FirewallSet.allCases {
        let keys = try keys(of: set, &ledger)
        guard keys == Set(wanted.lazy.filter { $0.set == set }.map(\.key)) else { return false }
      }
      ledger.applied = wanted
      // A change while we looked is looked at the next time.
      if try generation(&ledger) == before { ledger.generation = before }
      return true
    }
  }

  /// Addresses that the kernel's tables let through now, as left by an earlier daemon; none when there is no table.
  func addressesInKernel() -> Set<UInt32> {
    ledger.withLock { ledger in
      guard let ports = try? keys(of: .livePorts, &ledger), let live = try? keys(of: .live, &ledger) else { return [] }
      return Set(
        live.map { $0[...].native(UInt32.self, at: 0).bigEndian }.filter {
          ports.contains(FirewallElement.livePort(ledger.liveAgent($0)).key)
        })
    }
  }

  /// What was dropped, by reason; missing reasons when the tables are not there.
  func counts() -> [FirewallCounter: FirewallState.Count] {
    ledger.withLock { ledger in counts(&ledger) }
  }

  private func counts(_ ledger: inout FirewallLedger) -> [FirewallCounter: FirewallState.Count] {
    var result: [FirewallCounter: FirewallState.Count] = [:]
    for bridge in [true, false] {
      let replies = (try? ledger.socket.dump(message.objects(bridge: bridge), "read the firewall's counters")) ?? []
      result.merge(message.counts(in: replies, bridge: bridge)) { $1 }
    }
    return result
  }

  private func keys(of set: FirewallSet, _ ledger: inout FirewallLedger) throws(NetlinkError) -> Set<[UInt8]> {
    message.keys(in: try ledger.socket.dump(message.elements(of: set), "read the firewall's sets"))
  }

  private func fingerprint(_ ledger: inout FirewallLedger) throws(NetlinkError) -> [UInt8] {
    var result: [UInt8] = []
    for bridge in [true, false] {
      for question in message.structure(bridge: bridge) {
        let replies = try ledger.socket.dump(question, "read the firewall's rules")
        result += message.fingerprint(of: replies, bridge: bridge)
      }
    }
    return result
  }

  // MARK: Replacing everything

  /// A script that was rendered, and what it holds.
  struct Replacement: Sendable {
    /// For `nft -f`.
    let script: String
    fileprivate let elements: Set<FirewallElement>
    fileprivate let generation: UInt32
  }

  /// Renders the tables as they should be now.
  func beginReplacement() throws(NetlinkError) -> Replacement {
    try ledger.withLock { ledger throws(NetlinkError) in
      ledger.generation = nil
      var state = ledger.state
      state.counts = counts(&ledger)
      return Replacement(
        script: FirewallRenderer.render(state: state), elements: FirewallElement.all(of: state),
        generation: try generation(&ledger))
    }
  }

  /// To be called when the script was loaded: applies what changed since it was rendered (a kill does not wait for `nft`), and
  /// learns the new structure.
  /// - Returns: whether the structure is known to be ours: nobody else changed a firewall of the machine meanwhile, or the load
  ///   before this one left exactly the same. What passes is right in any case; load again to be sure of it later.
  func finishReplacement(_ replacement: Replacement) throws(NetlinkError) -> Bool {
    try ledger.withLock { ledger throws(NetlinkError) in
      ledger.applied = replacement.elements
      try apply(&ledger, "bring the firewall up to date")
      let before = try generation(&ledger)
      let seen = try fingerprint(&ledger)
      let after = try generation(&ledger)
      // One for the script, and one for the changes since.
      let changes: UInt32 = ledger.applied == replacement.elements ? 1 : 2
      let isQuiet = before == after && before &- replacement.generation == changes
      let isOurs = isQuiet || seen == ledger.fingerprint
      ledger.fingerprint = seen
      ledger.generation = isQuiet ? before : nil
      return isOurs
    }
  }

  /// Removes both tables; none there is success.
  func removeTables() throws(NetlinkError) {
    try ledger.withLock { ledger throws(NetlinkError) in
      ledger.generation = nil
      ledger.fingerprint = nil
      ledger.applied = []
      for bridge in [true, false] {
        do throws(NetlinkError) {
          try ledger.socket.commit([message.removeTable(bridge: bridge)], "remove the firewall's tables")
        } catch {
          guard error.code == ENOENT else { throw error }
        }
      }
    }
  }
}

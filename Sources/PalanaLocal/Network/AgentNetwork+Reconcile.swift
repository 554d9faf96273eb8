import CLinux
import Glibc
import Logging
package import PalanaCore
import PalanaPlan

extension AgentNetwork {
  /// Brings everything to what is desired, whoever changed it: the firewall first, then the bridge, then each agent. Networks of
  /// agents that are not desired are removed. Cheap when nothing is wrong.
  ///
  /// It never lets back an agent that ``cut(_:)`` cut off, since `desired` may be older than the kill; only ``restore(_:)`` does.
  /// - Parameter desired: all agents that should have a network, as of the moment at which it is asked: nothing is made or removed
  ///   between that and the work.
  /// - Returns: what was repaired, and the agents for which it failed.
  /// - Throws: ``PalanaError`` when the firewall or the bridge cannot be brought back. No agent speaks then.
  package func reconcile(
    _ desired: @Sendable () async -> [AgentNetworkDesire]
  ) async throws(PalanaError) -> ReconcileReport {
    let report = try await turnstile.pass { () async throws(PalanaError) in
      let desired = await desired()
      var report = ReconcileReport()
      if try await !structure({ () throws(NetlinkError) in try self.table.isIntact() }) {
        try await replaceTables()
        report.repairs.append(.firewall)
      }
      let seen = report
      report = try await structure { () throws(NetlinkError) in try self.reconcileNow(desired, seen) }
      return report
    }
    for repair in report.repairs {
      logger.notice("repaired the agents' network", metadata: ["repair": "\(repair)"])
    }
    for (agent, problem) in report.failures {
      logger.error("an agent's network is broken", metadata: ["agent": "\(agent)", "problem": "\(problem)"])
    }
    return report
  }

  /// As ``reconcile(_:)``, for a state that nobody changes meanwhile.
  package func reconcile(desired: [AgentNetworkDesire]) async throws(PalanaError) -> ReconcileReport {
    try await reconcile { desired }
  }

  private func reconcileNow(
    _ desired: [AgentNetworkDesire], _ seen: ReconcileReport
  ) throws(NetlinkError) -> ReconcileReport {
    var report = seen
    var socket = try NetlinkSocket(CLNET_ROUTE)
    let (index, isRepaired) = try bridge.ensure(forwarding: table.needsForwarding, &socket)
    if isRepaired { report.repairs.append(.bridge) }
    try removeOrphans(desired, &report, &socket)
    for desire in desired where !desire.isPending {
      do throws(NetlinkError) {
        try reconcile(desire, bridge: index, &report, &socket)
      } catch {
        report.failures[desire.agent] = error.asPalanaError
      }
    }
    return report
  }

  private func reconcile(
    _ desire: AgentNetworkDesire, bridge: UInt32, _ report: inout ReconcileReport, _ socket: inout NetlinkSocket
  ) throws(NetlinkError) {
    let agent = desire.agent
    let address: UInt32
    do throws(PalanaError) {
      address = try configuration.agentAddress(desire.address)
    } catch {
      throw NetlinkError(error)
    }
    if desire.isCut, !table.isCut(agent) || table.isLive(agent) {
      if table.isLive(agent) { report.repairs.append(.cut(agent)) }
      try table.cut([agent])
    }
    if let present = table.address(of: agent), present != address {
      report.repairs.append(.orphan(configuration.port(for: present)))
      try remove([agent])
    }
    let isNew = table.address(of: agent) == nil
    try table.register(agent, address: address)
    let wish = AgentLink.Wish(
      agent: agent, address: address, isUp: !table.isCut(agent), peers: table.peerAddresses(of: agent))
    let changes = try links.ensure(wish, bridge: bridge, &socket)
    if isNew || changes.link { for peer in table.peers(of: agent) { try route(peer) } }
    if changes.namespace {
      report.repairs.append(.namespace(agent))
    } else if changes.link {
      report.repairs.append(.link(agent))
    } else if changes.settings {
      report.repairs.append(.linkSettings(agent))
    }
    guard !table.isLive(agent), !table.isCut(agent) else { return }
    if try table.admit(agent) { report.repairs.append(.admitted(agent)) }
  }

  private func removeOrphans(
    _ desired: [AgentNetworkDesire], _ report: inout ReconcileReport, _ socket: inout NetlinkSocket
  ) throws(NetlinkError) {
    let wanted = Set(desired.map(\.agent))
    let bound = try namespaces.list().map(\.agent)
    let orphans = Set(bound).union(table.addresses.keys).subtracting(wanted)
    if !orphans.isEmpty {
      report.repairs += orphans.sorted().map { .orphan($0.text) }
      try remove(orphans)
    }
    let ports = Set(table.addresses.values.map { configuration.port(for: $0) })
    let desiredPorts = Set(
      desired.compactMap { desire -> String? in
        guard case .v4(let value) = desire.address else { return nil }
        return configuration.port(for: value)
      })
    for link in try ownLinks(&socket) where !ports.contains(link.name) && !desiredPorts.contains(link.name) {
      report.repairs.append(.orphan(link.name))
      try socket.run([("remove the link \(link.name)", LinkMessage.delete(link.index))], ignoring: [ENODEV])
    }
  }
}

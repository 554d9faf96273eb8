import CLinux
import Glibc
import Logging
import NIOPosix
package import PalanaCore
import PalanaPlan

extension AgentNetwork {
  /// Cuts agents off: their connections end, nothing of them passes the firewall any more, and their links are switched off.
  /// Idempotent, also for agents without a network, and works in any state: while networks are made, after the firewall was
  /// flushed, and when the caller's task is cancelled. Every step is tried even when one before it failed.
  ///
  /// The agents stay cut off, also over ``release(_:)`` and ``prepare(_:address:)``, until ``restore(_:)`` in this process. A kill
  /// that must survive a restart is in the store, and comes back as ``AgentNetworkDesire/isCut``.
  /// - Returns: how long each step took.
  /// - Throws: ``PalanaError`` with code `failed` when neither the firewall nor the links are known to hold an agent back.
  package func cut(_ agents: Set<AgentID>) async throws(PalanaError) -> CutReport {
    let report: CutReport
    do throws(NetlinkError) {
      report = try await BlockingLane.containment.call { () throws(NetlinkError) in self.cutNow(agents) }
    } catch {
      throw error.asPalanaError
    }
    let problems = report.outcomes.filter { $0.problem != nil }
    for outcome in problems {
      logger.warning(
        "a step of a cut failed",
        metadata: ["step": "\(outcome.step.rawValue)", "problem": "\(outcome.problem ?? "")"])
    }
    let failed = Set(problems.map(\.step))
    if failed.isSuperset(of: [.firewall, .links]) {
      throw PalanaError(
        .failed, "the network did not confirm the cut: \(problems.compactMap(\.problem).joined(separator: "; "))")
    }
    return report
  }

  /// Lets agents back; the kernel may take up to a second until a link that was off carries packets. Those without a network can be prepared again; connections do not come back. To be called also when a
  /// killed agent is deleted, since its name may be used again.
  /// - Throws: ``PalanaError``; the agents that could not be let back stay without network.
  package func restore(_ agents: Set<AgentID>) async throws(PalanaError) {
    table.uncut(agents)
    do throws(NetlinkError) {
      try await BlockingLane.containment.call { () throws(NetlinkError) in try self.restoreNow(agents) }
    } catch {
      throw error.asPalanaError
    }
  }

  private func cutNow(_ agents: Set<AgentID>) -> CutReport {
    let clock = ContinuousClock()
    let start = clock.now
    var outcomes: [CutReport.Outcome] = []
    func step(_ step: CutReport.Step, _ body: () throws(NetlinkError) -> Int) {
      let start = clock.now
      var count = 0
      var problem: String?
      do throws(NetlinkError) { count = try body() } catch { problem = error.description }
      outcomes.append(
        CutReport.Outcome(step: step, duration: clock.now - start, count: count, problem: problem))
    }
    let addresses = agents.reduce(into: [AgentID: UInt32]()) { $0[$1] = table.address(of: $1) }
    step(.sockets) { () throws(NetlinkError) in try endConnections(addresses) }
    step(.firewall) { () throws(NetlinkError) in
      try table.cut(agents)
      return addresses.count
    }
    step(.stragglers) { () throws(NetlinkError) in try endConnections(addresses) }
    step(.links) { () throws(NetlinkError) in
      var socket = try NetlinkSocket(CLNET_ROUTE)
      return try switchLinks(addresses, false, &socket)
    }
    return CutReport(outcomes: outcomes, total: clock.now - start)
  }

  /// The host's ends of the agents' connections, and for agents with peers also their own ends: of those connections the host
  /// has no end.
  private func endConnections(_ addresses: [AgentID: UInt32]) throws(NetlinkError) -> Int {
    guard !addresses.isEmpty else { return 0 }
    var count = try SocketDestroyer.destroy(
      peers: Set(addresses.values),
      subnet: addresses.count == 1 ? addresses.first?.value ?? 0 : configuration.subnetValue,
      prefix: addresses.count == 1 ? 32 : configuration.subnet.prefix)
    for agent in addresses.keys where !table.peers(of: agent).isEmpty {
      count += try SocketDestroyer.destroy(
        peers: nil, subnet: configuration.subnetValue, prefix: configuration.subnet.prefix,
        namespace: namespaces.file(of: agent))
    }
    return count
  }

  private func switchLinks(
    _ addresses: [AgentID: UInt32], _ isUp: Bool, _ socket: inout NetlinkSocket
  ) throws(NetlinkError) -> Int {
    let messages = addresses.map {
      ("switch the link of \($0.key)", LinkMessage.setUp(configuration.port(for: $0.value), isUp))
    }
    // No such link: nothing to switch off.
    for case let error? in try socket.send(messages) where error.code != ENODEV { throw error }
    return messages.count
  }

  private func restoreNow(_ agents: Set<AgentID>) throws(NetlinkError) {
    var socket = try NetlinkSocket(CLNET_ROUTE)
    let addresses = agents.reduce(into: [AgentID: UInt32]()) { $0[$1] = table.address(of: $1) }
    _ = try switchLinks(addresses, true, &socket)
    for (agent, address) in addresses where !(try table.admit(agent)) {
      // Cut off again meanwhile.
      _ = try switchLinks([agent: address], false, &socket)
    }
  }
}

/// The network as one of the planes that a kill cuts.
package struct NetworkPlane: ContainmentPlane {
  private let network: AgentNetwork
  private let report: @Sendable (CutReport) -> Void

  /// - Parameter report: receives how each cut went.
  package init(_ network: AgentNetwork, report: @escaping @Sendable (CutReport) -> Void = { _ in }) {
    self.network = network
    self.report = report
  }

  package var name: String { "network" }

  package func cut(_ agents: Set<AgentID>) async throws(PalanaError) { report(try await network.cut(agents)) }

  package func restore(_ agents: Set<AgentID>) async throws(PalanaError) { try await network.restore(agents) }
}

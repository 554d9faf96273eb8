package import PalanaCore
package import PalanaPlan

/// The network of one prepared agent: what a sandbox needs to be started in it.
package struct NetworkHandle: Hashable, Sendable {
  /// File of the network namespace, for the OCI spec's namespace `path`.
  package let namespacePath: String
  /// Name of the link on the host. Inside it is `eth0`.
  package let interface: String
  /// Hardware address of the agent's end.
  package let mac: MACAddress
  package let address: IPAddress
}

/// What exists for one agent.
package struct AgentNetworkStatus: Hashable, Sendable {
  package let agent: AgentID
  package let handle: NetworkHandle
  /// Whether the firewall lets it speak to the gateway.
  package let isLive: Bool
  /// Whether it is cut off; only what this process was told, since the store keeps kills.
  package let isCut: Bool
}

/// What should exist for one agent.
package struct AgentNetworkDesire: Hashable, Sendable {
  package var agent: AgentID
  package var address: IPAddress
  /// It was killed: the network may exist, but nothing passes.
  package var isCut: Bool
  /// It is being made by somebody else: it is neither made nor removed here.
  package var isPending: Bool

  package init(agent: AgentID, address: IPAddress, isCut: Bool = false, isPending: Bool = false) {
    self.agent = agent
    self.isPending = isPending
    self.address = address
    self.isCut = isCut
  }
}

/// `from` may open TCP connections to `port` of `to`.
package struct PeerRule: Hashable, Sendable {
  package var from: AgentID
  package var to: AgentID
  package var port: UInt16
  package init(from: AgentID, to: AgentID, port: UInt16) {
    self.from = from
    self.to = to
    self.port = port
  }
}

/// The daemon may open TCP connections to `port` of `agent`.
package struct HostAccess: Hashable, Sendable {
  package var agent: AgentID
  package var port: UInt16
  package init(agent: AgentID, port: UInt16) {
    self.agent = agent
    self.port = port
  }
}

/// How a cut went, step by step.
package struct CutReport: Hashable, Sendable {
  /// In the order in which they happen.
  package enum Step: String, Sendable, CaseIterable {
    /// Open connections destroyed; both sides notice at once.
    case sockets
    /// Out of the firewall's sets: from here on nothing passes.
    case firewall
    /// Connections that were opened while the first two ran.
    case stragglers
    /// Links switched off.
    case links
  }

  /// One step: how long it took, how many things it did, and why it could not, if it could not.
  package struct Outcome: Hashable, Sendable {
    package let step: Step
    package let duration: Duration
    package let count: Int
    package let problem: String?
  }

  package let outcomes: [Outcome]
  /// From the call to the end of the last step.
  package let total: Duration
}

/// Something that a reconciliation brought back.
package enum NetworkRepair: Hashable, Sendable {
  /// The firewall's tables were not as they should be and were replaced.
  case firewall
  /// The bridge, its address or a setting of it was missing.
  case bridge
  /// The agent had no namespace. A sandbox that ran in the old one is without network and must be restarted.
  case namespace(AgentID)
  /// The agent's link was missing or not what it should be, and was made anew.
  case link(AgentID)
  /// The agent's link had a wrong setting or state.
  case linkSettings(AgentID)
  /// The agent could not speak and should.
  case admitted(AgentID)
  /// The agent could speak and should not.
  case cut(AgentID)
  /// A network without an agent was removed; its agent, or the name of its link.
  case orphan(String)
}

/// How a reconciliation went.
package struct ReconcileReport: Sendable {
  package var repairs: [NetworkRepair] = []
  /// Agents whose network could not be brought to what it should be. They cannot speak.
  package var failures: [AgentID: PalanaError] = [:]
}

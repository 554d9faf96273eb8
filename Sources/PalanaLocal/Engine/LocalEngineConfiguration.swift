import PalanaAPI
package import PalanaCore
package import PalanaPlan

/// What the engine of one machine needs from the parts around it.
package struct LocalEngineConfiguration: Sendable {
  package var platform: PlatformFacts
  /// Folder for what the engine remembers of each agent.
  package var agentsFolder: String
  /// First address of the subnet (`10.77.0.0`); an agent's address is this plus its index.
  package var subnetBase: UInt32
  /// First uid and gid of the agents' user namespaces; each takes 65,536.
  package var firstID: UInt32 = 0x0010_0000
  package var restartPolicy = RestartPolicy()
  /// Agents worked on at the same time.
  package var workers = 16
  /// How often networks are compared with what they should be and usage is read.
  package var tick: Duration = .seconds(15)
  package var clock = WallClock.system
  /// When an agent was active last; nil: nobody knows of anything.
  package var activity: @Sendable (AgentID) -> Timestamp? = { _ in nil }
  /// Is told how runs ended: each once at least, also those that ended while the daemon was down.
  package var runEnded: @Sendable (EndedRun) -> Void = { _ in }

  /// The second factor of an agent's identity, from its uid.
  package var proxyToken: @Sendable (_ uid: String) -> Redacted<String>
  /// The agent-readable secrets of an agent: `NAME` or `NAME/KEY` to contents.
  package var readableSecrets:
    @Sendable (_ owner: UserIdentity, _ agent: ResourceName, _ secrets: [String]) async throws(PalanaError) -> [String:
      Redacted<[UInt8]>]
  /// Sets an index aside for an agent, the same until it is released.
  package var allocate: @Sendable (AgentID) async throws(PalanaError) -> Int
  package var release: @Sendable (AgentID) async throws(PalanaError) -> Void
  /// Makes the gateways know the present set of live agents. Returns when they do.
  package var publish: @Sendable ([AgentID: LiveAgentFacts]) async throws(PalanaError) -> Void
  /// Removes everything the secret store has of an agent that is deleted.
  package var purgeSecrets: @Sendable (UserIdentity, ResourceName) async throws(PalanaError) -> Void

  package init(
    platform: PlatformFacts, agentsFolder: String, subnetBase: UInt32,
    proxyToken: @escaping @Sendable (String) -> Redacted<String>,
    readableSecrets:
      @escaping @Sendable (UserIdentity, ResourceName, [String]) async throws(PalanaError) -> [String:
      Redacted<[UInt8]>],
    allocate: @escaping @Sendable (AgentID) async throws(PalanaError) -> Int,
    release: @escaping @Sendable (AgentID) async throws(PalanaError) -> Void,
    publish: @escaping @Sendable ([AgentID: LiveAgentFacts]) async throws(PalanaError) -> Void,
    purgeSecrets: @escaping @Sendable (UserIdentity, ResourceName) async throws(PalanaError) -> Void
  ) {
    self.platform = platform
    self.agentsFolder = agentsFolder
    self.subnetBase = subnetBase
    self.proxyToken = proxyToken
    self.readableSecrets = readableSecrets
    self.allocate = allocate
    self.release = release
    self.publish = publish
    self.purgeSecrets = purgeSecrets
  }

  /// The allocation that belongs to an index.
  package func allocation(index: Int) -> Allocation {
    Allocation(
      index: index, address: .v4(subnetBase &+ UInt32(truncatingIfNeeded: index)),
      idBase: firstID &+ UInt32(truncatingIfNeeded: index) &* 65_536)
  }
}

/// How one run of an agent ended.
package struct EndedRun: Hashable, Sendable {
  package var agent: AgentID
  package var run: String
  /// Whether its process came to its end by itself, with code 0.
  package var isSuccess: Bool

  package init(agent: AgentID, run: String, isSuccess: Bool) {
    self.agent = agent
    self.run = run
    self.isSuccess = isSuccess
  }
}

/// What gateways must know of an agent that has a network.
package struct LiveAgentFacts: Hashable, Sendable {
  package var name: ResourceName
  package var owner: UserIdentity
  package var uid: String
  package var address: IPAddress
  /// Tells this run from every other of the agent; empty: unknown.
  package var run: String

  package init(name: ResourceName, owner: UserIdentity, uid: String, address: IPAddress, run: String = "") {
    self.name = name
    self.owner = owner
    self.uid = uid
    self.address = address
    self.run = run
  }
}

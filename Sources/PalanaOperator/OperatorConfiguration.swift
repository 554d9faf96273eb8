package import PalanaCore
package import PalanaPlan

/// What an operator needs to know besides its cluster.
package struct OperatorConfiguration: Sendable {
  /// What agents are told of the platform.
  package var platform: PlatformFacts
  package var cluster: ClusterFacts
  /// The second factor of the agent with this uid at the gateway.
  package var proxyToken: @Sendable (String) -> Redacted<String>
  /// The rights of agents in the secret store; nil: the operator has none to give.
  package var grants: GrantKeeper?
  /// Agents that are worked on at the same time.
  package var workers = 24
  /// How often every agent is looked at although nothing told of a change.
  package var resync = Duration.seconds(600)
  /// How often it is looked whether the cluster has kinds that it did not have, or no longer has.
  package var discovery = Duration.seconds(20)
  /// Tells this process from other ones in events and in the lease.
  package var identity: String
  package var clock = WallClock.system

  package init(
    platform: PlatformFacts, cluster: ClusterFacts, identity: String, proxyToken: @escaping @Sendable (String) -> Redacted<String>
  ) {
    self.platform = platform
    self.cluster = cluster
    self.identity = identity
    self.proxyToken = proxyToken
  }
}

package import PalanaCore

/// What the gateway hears of a change of secrets. An answer to such a change comes after it: the next request of the agent
/// is decided with what the person was told.
package struct SecretGateway: Sendable {
  /// Reads the bindings again. Returns when every request that comes later is decided with them.
  package var refresh: @Sendable () async throws(PalanaError) -> Void
  /// Drops the values of an agent that are in memory. A secret that is added again begins with the revision of its
  /// predecessor, so the revision alone does not tell the two apart.
  package var forget: @Sendable (AgentID) -> Void

  package init(
    refresh: @escaping @Sendable () async throws(PalanaError) -> Void, forget: @escaping @Sendable (AgentID) -> Void
  ) {
    self.refresh = refresh
    self.forget = forget
  }
}

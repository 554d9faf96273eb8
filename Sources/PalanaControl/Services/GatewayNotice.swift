package import PalanaCore

/// What the gateway hears of a change of rules or secrets. An answer to such a change comes after it: the next request of
/// the agent is decided with what the person was told.
package struct GatewayNotice: Sendable {
  /// Drops the values of an agent that are in memory. A secret that is added again begins with the revision of its
  /// predecessor, so the revision alone does not tell the two apart.
  package let forget: @Sendable (AgentID) -> Void
  private let renew: @Sendable () async throws(PalanaError) -> Void

  /// - Parameter refresh: reads rules and bindings again, and returns when every request that comes later is decided with
  ///   them.
  package init(
    refresh: @escaping @Sendable () async throws(PalanaError) -> Void, forget: @escaping @Sendable (AgentID) -> Void
  ) {
    renew = refresh
    self.forget = forget
  }

  /// Makes a change that is stored hold for every request that comes later.
  ///
  /// - Throws: ``PalanaError`` that says that the change is stored and not in force.
  func refresh() async throws(PalanaError) {
    do { try await renew() } catch {
      throw PalanaError(
        .failed, "the change is stored, but the gateway decides with what was before it: \(error.message)",
        hint: "the daemon tries again on its own; pcli status says whether it is well, and pcli kill stops an agent now")
    }
  }
}

package import Logging
package import PalanaAPI
package import PalanaCore

/// The resource store of one machine: one SQLite file, durable at each return.
package final class SQLiteStore: ResourceStore {
  /// Opens or creates the database, checks it and brings its schema up to date.
  ///
  /// - Parameters:
  ///   - path: the database file; its folder is created with mode 0700, the file with 0600.
  ///   - watchBuffer: changes that one slow watcher may lag behind before it gets `.resync`.
  /// - Throws: ``PalanaError`` with code `failed`: damaged, written by a newer version, not accessible.
  package static func open(
    path: String, clock: WallClock = .system, watchBuffer: Int = 4096, logger: Logger
  ) async throws(PalanaError) -> SQLiteStore {
    throw PalanaError(.failed, "not built yet")
  }

  private init() {}

  package func create<Spec: ResourceSpec>(_ resource: Resource<Spec>) async throws(PalanaError) -> Resource<Spec> {
    throw PalanaError(.failed, "not built yet")
  }

  package func get<Spec: ResourceSpec>(
    _ kind: Spec.Type, owner: UserIdentity?, name: ResourceName
  ) async throws(PalanaError) -> Resource<Spec> {
    throw PalanaError(.failed, "not built yet")
  }

  package func list<Spec: ResourceSpec>(
    _ kind: Spec.Type, owner: UserIdentity?
  ) async throws(PalanaError) -> [Resource<Spec>] {
    throw PalanaError(.failed, "not built yet")
  }

  package func update<Spec: ResourceSpec>(_ resource: Resource<Spec>) async throws(PalanaError) -> Resource<Spec> {
    throw PalanaError(.failed, "not built yet")
  }

  package func updateStatus<Spec: ResourceSpec>(
    _ kind: Spec.Type, owner: UserIdentity?, name: ResourceName, uid: String, status: Spec.Status
  ) async throws(PalanaError) -> Resource<Spec> {
    throw PalanaError(.failed, "not built yet")
  }

  package func markDeleted<Spec: ResourceSpec>(
    _ kind: Spec.Type, owner: UserIdentity?, name: ResourceName
  ) async throws(PalanaError) -> Resource<Spec> {
    throw PalanaError(.failed, "not built yet")
  }

  package func remove<Spec: ResourceSpec>(
    _ kind: Spec.Type, owner: UserIdentity?, name: ResourceName, uid: String
  ) async throws(PalanaError) {
    throw PalanaError(.failed, "not built yet")
  }

  package func watch() -> AsyncStream<StoreChange> { AsyncStream { $0.finish() } }

  /// A small number that stands for the agent on this machine; its address and its uid range derive from it.
  ///
  /// The same agent always gets the same number until ``releaseIndex(of:)``. Numbers that were free longest are given first,
  /// so that a released address is not soon somebody else's.
  /// - Returns: 2 to 60000, unique among the agents that hold one.
  /// - Throws: ``PalanaError`` with code `conflict` when none is free.
  package func allocateIndex(for agent: AgentID) async throws(PalanaError) -> Int {
    throw PalanaError(.failed, "not built yet")
  }

  /// Gives the number back; nothing happens when the agent holds none.
  package func releaseIndex(of agent: AgentID) async throws(PalanaError) {
    throw PalanaError(.failed, "not built yet")
  }
}

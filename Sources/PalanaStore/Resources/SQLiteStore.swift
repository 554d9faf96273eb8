import GRDB
package import Logging
package import PalanaAPI
package import PalanaCore

/// The resource store of one machine: one SQLite file. What returned is on the disk.
package final class SQLiteStore: ResourceStore {
  let database: DatabaseFile
  private let clock: WallClock
  private let hub: WatchHub
  private let watchBuffer: Int

  /// Opens or creates the database, checks it and brings its schema up to date.
  ///
  /// - Parameters:
  ///   - path: the database file; its folder is created with mode 0700, the file with 0600.
  ///   - watchBuffer: changes that one slow watcher may lag behind before it gets `.resync`.
  /// - Throws: ``PalanaError`` with code `failed`: damaged, written by a newer version, not accessible.
  package static func open(
    path: String, clock: WallClock = .system, watchBuffer: Int = 4096, logger: Logger
  ) async throws(PalanaError) -> SQLiteStore {
    let database = try await DatabaseFile.open(path: path, migrator: ResourceSchema.migrator, check: .integrity)
    logger.debug("store.opened", metadata: ["store.path": "\(path)"])
    return SQLiteStore(database: database, clock: clock, watchBuffer: watchBuffer)
  }

  private init(database: DatabaseFile, clock: WallClock, watchBuffer: Int) {
    self.database = database
    self.clock = clock
    self.watchBuffer = watchBuffer
    hub = WatchHub()
  }

  /// Closes the database; watches end. Every later call fails.
  package func close() {
    hub.finish()
    try? database.pool.close()
  }

  package func create<Spec: ResourceSpec>(_ resource: Resource<Spec>) async throws(PalanaError) -> Resource<Spec> {
    let owner = try Self.key(Spec.self, owner: resource.spec.owner)
    return try await change { [clock] db in
      let name = resource.metadata.name
      if let existing = try ResourceRow.fetch(db, kind: Spec.kind, owner: owner, name: name.text) {
        throw existing.deleted == nil
          ? PalanaError(.conflict, "\(Spec.kind) \(name) exists already")
          : PalanaError(.conflict, "\(Spec.kind) \(name) is still being deleted", hint: "try again in a moment")
      }
      let agentID = try Self.agentID(of: resource)
      if let agentID, try Self.isTaken(agentID, db) {
        // Two owners whose agents' identifiers collide would share a sandbox, a log folder and an audit identity.
        throw PalanaError(.conflict, "the identifier of agent \(name) is taken", hint: "choose another name")
      }
      let row = try ResourceRow(
        new: resource, owner: owner, version: ResourceSchema.nextVersion(db), now: clock.now())
      try row.insert(db, agentID: agentID)
      return (row, .added)
    }
  }

  package func get<Spec: ResourceSpec>(
    _ kind: Spec.Type, owner: UserIdentity?, name: ResourceName
  ) async throws(PalanaError) -> Resource<Spec> {
    let owner = try Self.key(kind, owner: owner)
    return try await database.read { db in try Self.row(kind, owner, name, db).resource(kind) }
  }

  package func list<Spec: ResourceSpec>(
    _ kind: Spec.Type, owner: UserIdentity?
  ) async throws(PalanaError) -> [Resource<Spec>] {
    let owner = Spec.isOwned ? owner?.raw : nil
    return try await database.read { db in
      try ResourceRow.fetchAll(db, kind: Spec.kind, owner: owner).map { try $0.resource(kind) }
    }
  }

  package func update<Spec: ResourceSpec>(_ resource: Resource<Spec>) async throws(PalanaError) -> Resource<Spec> {
    let owner = try Self.key(Spec.self, owner: resource.spec.owner)
    return try await change { db in
      let metadata = resource.metadata
      var row = try Self.row(Spec.self, owner, metadata.name, db)
      if let expected = metadata.resourceVersion, expected != String(row.version) {
        throw PalanaError(
          .conflict, "\(Spec.kind) \(metadata.name) was changed by somebody else",
          hint: "read it again and repeat the change")
      }
      try Self.expect(uid: metadata.uid, row)
      let (labels, annotations) = (
        try metadata.labels.map(ResourceRow.text), try metadata.annotations.map(ResourceRow.text)
      )
      let spec = try ResourceRow.text(resource.spec)
      guard spec != row.spec || labels != row.labels || annotations != row.annotations else { return (row, nil) }
      if spec != row.spec { row.generation += 1 }
      (row.spec, row.labels, row.annotations) = (spec, labels, annotations)
      row.version = try ResourceSchema.nextVersion(db)
      try row.update(db)
      return (row, .modified)
    }
  }

  package func updateStatus<Spec: ResourceSpec>(
    _ kind: Spec.Type, owner: UserIdentity?, name: ResourceName, uid: String, status: Spec.Status
  ) async throws(PalanaError) -> Resource<Spec> {
    let owner = try Self.key(kind, owner: owner)
    return try await change { db in
      var row = try Self.row(kind, owner, name, db)
      try Self.expect(uid: uid, row)
      let text = try ResourceRow.text(status)
      guard text != row.status else { return (row, nil) }
      row.status = text
      row.version = try ResourceSchema.nextVersion(db)
      try row.update(db)
      return (row, .statusModified)
    }
  }

  package func markDeleted<Spec: ResourceSpec>(
    _ kind: Spec.Type, owner: UserIdentity?, name: ResourceName
  ) async throws(PalanaError) -> Resource<Spec> {
    let owner = try Self.key(kind, owner: owner)
    return try await change { [clock] db in
      var row = try Self.row(kind, owner, name, db)
      guard row.deleted == nil else { return (row, nil) }
      row.deleted = clock.now().microseconds
      row.version = try ResourceSchema.nextVersion(db)
      try row.update(db)
      return (row, .modified)
    }
  }

  /// An agent's number (``allocateIndex(for:limit:)``) is given back in the same transaction.
  package func remove<Spec: ResourceSpec>(
    _ kind: Spec.Type, owner: UserIdentity?, name: ResourceName, uid: String
  ) async throws(PalanaError) {
    let owner = try Self.key(kind, owner: owner)
    let _: Resource<Spec> = try await change { db in
      var row = try Self.row(kind, owner, name, db)
      try Self.expect(uid: uid, row)
      if Spec.kind == AgentSpec.kind {
        try Self.release(AgentID(owner: UserIdentity(owner), name: name), db)
      }
      try row.delete(db)
      row.version = try ResourceSchema.nextVersion(db)
      return (row, .deleted)
    }
  }

  package func watch() -> AsyncStream<StoreChange> { hub.subscribe(limit: watchBuffer) }
}

/// Steps that the operations share.
extension SQLiteStore {
  /// Runs a change in one transaction and tells the watchers after its commit, in the order of commits.
  private func change<Spec: ResourceSpec>(
    _ body: @escaping @Sendable (Database) throws -> (ResourceRow, StoreChange.Event?)
  ) async throws(PalanaError) -> Resource<Spec> {
    try await database.write { [hub] db in
      let (row, event) = try body(db)
      let resource = try row.resource(Spec.self)
      if let event {
        let change = try row.change(event)
        // Called on the writer's own queue right behind the commit: no other commit can come in between.
        db.afterNextTransaction(onCommit: { _ in hub.publish(change) })
      }
      return resource
    }
  }

  /// The owner column: the raw identity, or empty for kinds without an owner.
  private static func key<Spec: ResourceSpec>(
    _ kind: Spec.Type, owner: UserIdentity?
  ) throws(PalanaError) -> String {
    guard Spec.isOwned else { return "" }
    guard let owner else { throw PalanaError(.invalid, "spec.owner: required for \(Spec.kind)") }
    return owner.raw
  }

  private static func row<Spec: ResourceSpec>(
    _ kind: Spec.Type, _ owner: String, _ name: ResourceName, _ db: Database
  ) throws -> ResourceRow {
    guard let row = try ResourceRow.fetch(db, kind: Spec.kind, owner: owner, name: name.text) else {
      throw PalanaError(.notFound, "there is no \(Spec.kind) named \(name)")
    }
    return row
  }

  private static func expect(uid: String?, _ row: ResourceRow) throws {
    guard uid == nil || uid == row.uid else {
      throw PalanaError(.conflict, "\(row.kind) \(row.name) was deleted and created again")
    }
  }

  private static func agentID<Spec: ResourceSpec>(of resource: Resource<Spec>) throws -> AgentID? {
    guard Spec.kind == AgentSpec.kind, let owner = resource.spec.owner else { return nil }
    return AgentID(owner: owner, name: resource.metadata.name)
  }

  private static func isTaken(_ agent: AgentID, _ db: Database) throws -> Bool {
    try Int.fetchOne(db, sql: "SELECT 1 FROM resource WHERE agent_id = ?", arguments: [agent.text]) != nil
  }
}

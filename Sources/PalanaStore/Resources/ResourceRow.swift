import Foundation
import GRDB
import PalanaAPI
import PalanaCore

/// A resource as it lies in the table. Owners and names are compared byte by byte: the raw identity decides.
struct ResourceRow: Sendable {
  var kind: String
  /// Empty for kinds without an owner.
  var owner: String
  var name: String
  var uid: String
  var version: Int64
  var generation: Int64
  var created: Int64
  var deleted: Int64?
  var labels: String?
  var annotations: String?
  var spec: String
  var status: String?

  private static let columns = """
    kind, owner, name, uid, version, generation, created, deleted, labels, annotations, spec, status
    """

  private init(_ row: Row) {
    kind = row["kind"]
    owner = row["owner"]
    name = row["name"]
    uid = row["uid"]
    version = row["version"]
    generation = row["generation"]
    created = row["created"]
    deleted = row["deleted"]
    labels = row["labels"]
    annotations = row["annotations"]
    spec = row["spec"]
    status = row["status"]
  }

  /// A new object: first generation, no status yet.
  init<Spec: ResourceSpec>(new resource: Resource<Spec>, owner: String, version: Int64, now: Timestamp) throws {
    kind = Spec.kind
    self.owner = owner
    name = resource.metadata.name.text
    uid = Self.newUID()
    self.version = version
    generation = 1
    created = now.microseconds
    labels = try resource.metadata.labels.map(Self.text)
    annotations = try resource.metadata.annotations.map(Self.text)
    spec = try Self.text(resource.spec)
  }

  static func fetch(_ db: Database, kind: String, owner: String, name: String) throws -> ResourceRow? {
    try Row.fetchOne(
      db, sql: "SELECT \(columns) FROM resource WHERE kind = ? AND owner = ? AND name = ?",
      arguments: [kind, owner, name]
    ).map(ResourceRow.init)
  }

  /// - Parameter owner: nil: of every owner.
  static func fetchAll(_ db: Database, kind: String, owner: String?) throws -> [ResourceRow] {
    try Row.fetchAll(
      db, sql: "SELECT \(columns) FROM resource WHERE kind = ?1 AND (?2 IS NULL OR owner = ?2) ORDER BY owner, name",
      arguments: [kind, owner]
    ).map(ResourceRow.init)
  }

  func insert(_ db: Database, agentID: AgentID?) throws {
    try db.execute(
      sql: """
        INSERT INTO resource (\(Self.columns), agent_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
      arguments: [
        kind, owner, name, uid, version, generation, created, deleted, labels, annotations, spec, status,
        agentID?.text,
      ])
  }

  /// Writes everything that can change.
  func update(_ db: Database) throws {
    try db.execute(
      sql: """
        UPDATE resource SET version = ?, generation = ?, deleted = ?, labels = ?, annotations = ?, spec = ?, status = ?
        WHERE uid = ?
        """,
      arguments: [version, generation, deleted, labels, annotations, spec, status, uid])
  }

  func delete(_ db: Database) throws {
    try db.execute(sql: "DELETE FROM resource WHERE uid = ?", arguments: [uid])
  }

  /// The typed object.
  /// - Throws: ``PalanaError`` with code `failed` when the row does not hold what this version understands.
  func resource<Spec: ResourceSpec>(_ type: Spec.Type) throws -> Resource<Spec> {
    do {
      let decoder = JSONDecoder()
      func decode<T: Decodable>(_ type: T.Type, _ text: String) throws -> T {
        try decoder.decode(type, from: Data(text.utf8))
      }
      return Resource(
        metadata: ObjectMeta(
          name: try ResourceName(name), uid: uid, resourceVersion: String(version), generation: generation,
          creationTimestamp: Timestamp(microseconds: created),
          deletionTimestamp: deleted.map(Timestamp.init(microseconds:)),
          labels: try labels.map { try decode([String: String].self, $0) },
          annotations: try annotations.map { try decode([String: String].self, $0) }),
        spec: try decode(Spec.self, spec), status: try status.map { try decode(Spec.Status.self, $0) })
    } catch {
      throw PalanaError(
        .failed, "\(kind) \(name) in the store cannot be read", hint: "restore the database from a backup")
    }
  }

  func change(_ event: StoreChange.Event) throws -> StoreChange {
    StoreChange(
      event: event, kind: kind, owner: owner.isEmpty ? nil : try UserIdentity(owner), name: try ResourceName(name),
      resourceVersion: String(version))
  }

  /// One spelling for equal values, so that equality of texts is equality of values.
  static func text(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  /// A random UUID (RFC 9562, version 4).
  private static func newUID() -> String { UUID().uuidString.lowercased() }
}

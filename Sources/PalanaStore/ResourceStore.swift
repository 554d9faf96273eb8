package import PalanaAPI
package import PalanaCore

/// Keeps resources: optimistic concurrency by `resourceVersion`, and a watch that misses nothing.
///
/// Owned kinds are keyed by (kind, owner, name), the others by (kind, name). Every error is a ``PalanaError``: `notFound`,
/// `conflict` (exists already, or somebody wrote first), `failed` (the database).
package protocol ResourceStore: Sendable {
  /// Adds an object; fills `uid`, `resourceVersion`, `generation`, `creationTimestamp`.
  func create<Spec: ResourceSpec>(_ resource: Resource<Spec>) async throws(PalanaError) -> Resource<Spec>

  /// Reads one object. `owner` is nil for kinds that are not owned.
  func get<Spec: ResourceSpec>(
    _ kind: Spec.Type, owner: UserIdentity?, name: ResourceName
  ) async throws(PalanaError) -> Resource<Spec>

  /// All objects of a kind, by owner and name; `owner` nil: of every owner.
  func list<Spec: ResourceSpec>(
    _ kind: Spec.Type, owner: UserIdentity?
  ) async throws(PalanaError) -> [Resource<Spec>]

  /// Replaces spec, labels and annotations (never the status). A `resourceVersion` in `resource` must be the current one;
  /// nil means last write wins. `generation` grows when the spec differs; an identical write changes nothing.
  func update<Spec: ResourceSpec>(_ resource: Resource<Spec>) async throws(PalanaError) -> Resource<Spec>

  /// Replaces the status alone, provided that the object still has this `uid`. An identical status changes nothing.
  func updateStatus<Spec: ResourceSpec>(
    _ kind: Spec.Type, owner: UserIdentity?, name: ResourceName, uid: String, status: Spec.Status
  ) async throws(PalanaError) -> Resource<Spec>

  /// Sets `deletionTimestamp` (once); the engine finishes with ``remove(_:owner:name:uid:)``.
  func markDeleted<Spec: ResourceSpec>(
    _ kind: Spec.Type, owner: UserIdentity?, name: ResourceName
  ) async throws(PalanaError) -> Resource<Spec>

  /// Removes the object for good, provided that it still has this `uid`.
  func remove<Spec: ResourceSpec>(
    _ kind: Spec.Type, owner: UserIdentity?, name: ResourceName, uid: String
  ) async throws(PalanaError)

  /// Every change from now on, in order. A consumer that falls behind by more than the buffer gets `.resync` and lists again.
  func watch() -> AsyncStream<StoreChange>
}

/// One change, without the object: whoever cares reads the present state, which is what reconciling needs.
package struct StoreChange: Hashable, Sendable {
  package enum Event: String, Sendable { case added, modified, statusModified, deleted, resync }

  package var event: Event
  /// The kind; empty for `resync`.
  package var kind: String
  package var owner: UserIdentity?
  package var name: ResourceName?
  package var resourceVersion: String

  package init(event: Event, kind: String, owner: UserIdentity?, name: ResourceName?, resourceVersion: String) {
    self.event = event
    self.kind = kind
    self.owner = owner
    self.name = name
    self.resourceVersion = resourceVersion
  }
}

package import PalanaAPI
package import PalanaControlAPI
package import PalanaCore
package import PalanaStore

/// Creates, reads, replaces and deletes resources of every kind that people write.
package struct ResourceService: Sendable {
  let store: any ResourceStore
  let access: Access
  let gateway: GatewayNotice
  let trail: AuditTrail

  package init(store: any ResourceStore, gateway: GatewayNotice, trail: AuditTrail) {
    self.store = store
    self.gateway = gateway
    self.trail = trail
    access = Access(store: store)
  }

  /// The objects of a kind that the caller may see.
  package func list<Spec: ControlledSpec>(
    _ kind: Spec.Type, owner: UserIdentity?, by caller: Caller
  ) async throws(PalanaError) -> [Resource<Spec>] {
    guard Spec.isOwned else { return try await access.all(kind, owner: nil) }
    return try await access.all(kind, owner: try access.listOwner(owner, by: caller))
  }

  /// Adds an object. The owner is the caller's unless an operator says otherwise.
  ///
  /// - Throws: ``PalanaError``: `invalid` with every problem, `denied`, `conflict` when it exists.
  package func create<Spec: ControlledSpec>(
    _ written: Resource<Spec>, owner: UserIdentity?, by caller: Caller, action: String = "create"
  ) async throws(PalanaError) -> Resource<Spec> {
    let resource = try await prepare(written, owner: owner, by: caller)
    try trail.allow(
      Spec.component, action, by: caller, agent: try reference(resource), details: details(resource))
    let created = try await store.create(resource)
    try await announce(from: nil, to: created)
    return created
  }

  /// Replaces spec, labels and annotations of the object that `resource` names.
  ///
  /// - Throws: ``PalanaError``: `notFound`, `invalid`, `denied`, `conflict` when somebody wrote first or it is being
  ///   deleted.
  package func update<Spec: ControlledSpec>(
    _ written: Resource<Spec>, owner: UserIdentity?, by caller: Caller, action: String = "update"
  ) async throws(PalanaError) -> Resource<Spec> {
    try authorize(Spec.self, caller)
    try await refuseBuiltIn(Spec.self, written.metadata.name)
    let old = try await existing(written, owner: owner, by: caller)
    let resource = try replacement(written, for: old)
    try await checkReferences(resource)
    try trail.allow(
      Spec.component, action, by: caller, agent: try reference(resource), details: details(resource))
    let new = try await store.update(resource)
    try await announce(from: old, to: new)
    return new
  }

  /// Creates or replaces; writes nothing when nothing differs.
  package func apply<Spec: ControlledSpec>(
    _ written: Resource<Spec>, owner: UserIdentity?, by caller: Caller
  ) async throws(PalanaError) -> ApplyResult<Spec> {
    try authorize(Spec.self, caller)
    let old: Resource<Spec>
    do { old = try await existing(written, owner: owner, by: caller) } catch {
      guard error.code == .notFound else { throw error }
      return ApplyResult(action: .created, resource: try await create(written, owner: owner, by: caller))
    }
    let resource = try replacement(written, for: old)
    let same =
      resource.spec == old.spec && (resource.metadata.labels ?? [:]) == (old.metadata.labels ?? [:])
      && (resource.metadata.annotations ?? [:]) == (old.metadata.annotations ?? [:])
    if same { return ApplyResult(action: .unchanged, resource: old) }
    return ApplyResult(action: .configured, resource: try await update(written, owner: owner, by: caller))
  }

  /// Removes an object that needs no cleaning up. Agents are deleted by ``AgentService``.
  package func delete<Spec: ControlledSpec>(
    _ kind: Spec.Type, named name: String, owner: UserIdentity?, by caller: Caller
  ) async throws(PalanaError) -> DeleteResult {
    try authorize(kind, caller)
    let target = Spec.isOwned ? try access.owner(owner, by: caller) : nil
    try await refuseBuiltIn(kind, try ResourceName(name))
    let old = try await access.find(kind, named: name, owner: target, by: caller)
    if Spec.self == AgentTemplateSpec.self { try await checkUnused(template: old.metadata.name.text) }
    try trail.allow(Spec.component, "delete", by: caller, details: details(old))
    try await store.remove(kind, owner: target, name: old.metadata.name, uid: old.metadata.uid ?? "")
    try await announce(from: old, to: nil)
    return DeleteResult(kind: Spec.kind, name: name, done: true)
  }

  /// Reads, changes and writes back; starts over when somebody else wrote in between.
  ///
  /// - Parameter change: may be called more than once; returns false to leave the object as it is.
  package func modify<Spec: ControlledSpec>(
    _ kind: Spec.Type, named name: String, owner: UserIdentity?, by caller: Caller, action: String,
    details: [String: String] = [:],
    _ change: @Sendable (inout Resource<Spec>) async throws(PalanaError) -> Bool
  ) async throws(PalanaError) -> Resource<Spec> {
    let target = Spec.isOwned ? try access.owner(owner, by: caller) : nil
    var attempt = 1
    while true {
      let old = try await access.find(kind, named: name, owner: target, by: caller)
      try checkNotDeleted(old)
      var new = old
      guard try await change(&new) else { return old }
      new = try replacement(new, for: old)
      try await checkReferences(new)
      try trail.allow(Spec.component, action, by: caller, agent: try reference(new), details: details)
      do { new = try await store.update(new) } catch {
        guard error.code == .conflict, attempt < 5 else { throw error }
        attempt += 1
        continue
      }
      try await announce(from: old, to: new)
      return new
    }
  }

  /// Returns when the gateway decides with a change that is stored.
  private func announce<Spec: ControlledSpec>(
    from old: Resource<Spec>?, to new: Resource<Spec>?
  ) async throws(PalanaError) {
    if Spec.changesDecisions(from: old, to: new) { try await gateway.refresh() }
  }
}

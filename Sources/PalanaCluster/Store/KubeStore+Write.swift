package import PalanaAPI
package import PalanaCore
import PalanaKube
import PalanaPlan

extension KubeStore {
  package func create<Spec: ResourceSpec>(_ resource: Resource<Spec>) async throws(PalanaError) -> Resource<Spec> {
    let name = resource.metadata.name
    guard Spec.isOwned else { return try await post(resource, in: nil) }
    guard let owner = resource.spec.owner else { throw PalanaError(.invalid, "spec.owner: required for \(Spec.kind)") }
    let isNew = try await stores.namespaces.ensure(owner)
    let namespace = try await place(of: resource, owner)
    for other in directory.namespaces(Spec.self, owner: owner, name: name.text).sorted() where other != namespace {
      // What the directory remembers may be gone.
      guard let found = try await standing(Spec.self, name, other) else { continue }
      throw Self.exists(Spec.self, name, isDeleting: found.isDeleting, " in the namespace \(other)")
    }
    let end = ContinuousClock.now + .seconds(5)
    while true {
      do throws(PalanaError) { return try await post(resource, in: namespace) } catch {
        // Rights that were just given take a moment until every API server knows them.
        guard isNew, error.code == .denied, .now < end, !Task.isCancelled else { throw error }
        do { try await Task.sleep(for: .milliseconds(50)) } catch { throw PalanaError(.unreachable, "the request was given up") }
      }
    }
  }

  private func post<Spec: ResourceSpec>(_ resource: Resource<Spec>, in namespace: String?) async throws(PalanaError) -> Resource<Spec> {
    let name = resource.metadata.name
    var object = KubeObject(Spec.kube, namespace: namespace, name: name.text)
    try StoredObject.write(resource, into: &object)
    if Spec.kind == AgentSpec.kind { object.setMetadata("finalizers", [.string(StoredObject.finalizer)]) }
    let client = try await writer("create", resource, in: namespace)
    do throws(KubeError) {
      let made = try await client.create(Spec.kube, object)
      if Spec.kind == AgentSpec.kind { directory.note(resource.spec.owner, name) }
      return try StoredObject.resource(made, or: KubeError.self)
    } catch {
      guard error.kind == .alreadyExists else { throw error.told("\(Spec.kind) \(name)") }
      let found = try await standing(Spec.self, name, namespace)
      let isForeign = Spec.isOwned && found != nil && found?["spec"]?["owner"]?.string != resource.spec.owner?.raw
      throw isForeign
        ? PalanaError(
          .conflict, "the namespace \(namespace ?? "") has a \(Spec.kind) ‘\(name)’ of somebody else", hint: "choose another name")
        : Self.exists(Spec.self, name, isDeleting: found?.isDeleting ?? false, "")
    }
  }

  /// What stands in a place, as far as the caller may see it.
  private func standing<Spec: ResourceSpec>(
    _ kind: Spec.Type, _ name: ResourceName, _ namespace: String?
  ) async throws(PalanaError) -> KubeObject? {
    do throws(KubeError) { return try await client.find(Spec.kube, name.text, in: namespace) } catch {
      throw error.told("\(Spec.kind) \(name)")
    }
  }

  private static func exists<Spec: ResourceSpec>(
    _ kind: Spec.Type, _ name: ResourceName, isDeleting: Bool, _ place: String
  ) -> PalanaError {
    isDeleting
      ? PalanaError(.conflict, "\(Spec.kind) \(name) is still being deleted\(place)", hint: "try again in a moment")
      : PalanaError(.conflict, "\(Spec.kind) \(name) exists already\(place)")
  }

  /// The namespace for a new object: beside the agent that it is about, for only there it counts, else that of the owner.
  private func place<Spec: ResourceSpec>(of resource: Resource<Spec>, _ owner: UserIdentity) async throws(PalanaError) -> String {
    let agent: String
    switch resource.spec {
    case let binding as SecretBindingSpec: agent = binding.agent
    case let rule as PeeringRuleSpec: agent = rule.to
    default: return OwnerNamespace.name(owner)
    }
    guard let name = try? ResourceName(agent) else { return OwnerNamespace.name(owner) }
    do throws(PalanaError) {
      return try await find(AgentSpec.self, owner: owner, name: name).object.namespace
    } catch {
      guard error.code == .notFound else { throw error }
      return OwnerNamespace.name(owner)
    }
  }

  package func update<Spec: ResourceSpec>(_ resource: Resource<Spec>) async throws(PalanaError) -> Resource<Spec> {
    let metadata = resource.metadata
    return try await change(Spec.self, owner: resource.spec.owner, name: metadata.name, isPatient: metadata.resourceVersion == nil) {
      (found) throws(PalanaError) in
      if let expected = metadata.resourceVersion, expected != found.object.resourceVersion {
        throw KubeError(.conflict, "").told("\(Spec.kind) \(metadata.name)")
      }
      try Self.expect(uid: metadata.uid, found)
      guard !StoredObject.isSame(resource, found.resource) else { return nil }
      var object = found.object
      try StoredObject.write(resource, into: &object)
      return (object, nil)
    }
  }

  package func updateStatus<Spec: ResourceSpec>(
    _ kind: Spec.Type, owner: UserIdentity?, name: ResourceName, uid: String, status: Spec.Status
  ) async throws(PalanaError) -> Resource<Spec> {
    try await change(kind, owner: owner, name: name, isPatient: true) { (found) throws(PalanaError) in
      try Self.expect(uid: uid, found)
      guard found.resource.status != status else { return nil }
      var object = found.object
      object["status"] = try JSONValue(encoding: status)
      return (object, "status")
    }
  }

  /// Reads, changes and writes back with the version that was read.
  ///
  /// - Parameters:
  ///   - isPatient: begins anew when somebody else wrote in between.
  ///   - change: what to write, and to which part; nil: nothing.
  private func change<Spec: ResourceSpec>(
    _ kind: Spec.Type, owner: UserIdentity?, name: ResourceName, isPatient: Bool,
    _ change: (Found<Spec>) throws(PalanaError) -> (KubeObject, String?)?
  ) async throws(PalanaError) -> Resource<Spec> {
    var attempt = 1
    while true {
      let found = try await find(kind, owner: owner, name: name)
      guard let (object, part) = try change(found) else { return found.resource }
      let client = try await writer("update", found.resource, in: found.object.namespace)
      do throws(KubeError) {
        return try StoredObject.resource(try await client.replace(Spec.kube, object, subresource: part), or: KubeError.self)
      } catch {
        guard error.kind == .conflict, isPatient, attempt < Self.attempts, !Task.isCancelled else {
          throw error.told("\(Spec.kind) \(name)")
        }
        attempt += 1
      }
    }
  }

  static func expect<Spec: ResourceSpec>(uid: String?, _ found: Found<Spec>) throws(PalanaError) {
    guard uid == nil || uid == found.object.uid else {
      throw PalanaError(.conflict, "\(Spec.kind) \(found.object.name) was deleted and created again")
    }
  }

  // MARK: Deleting

  package func markDeleted<Spec: ResourceSpec>(
    _ kind: Spec.Type, owner: UserIdentity?, name: ResourceName
  ) async throws(PalanaError) -> Resource<Spec> {
    let found = try await find(kind, owner: owner, name: name)
    if found.object.isDeleting { return found.resource }
    let client = try await writer("delete", found.resource, in: found.object.namespace)
    do throws(KubeError) {
      let place = found.object.namespace.isEmpty ? nil : found.object.namespace
      try await client.delete(Spec.kube, name.text, in: place, uid: found.object.uid)
      if let left = try await client.find(Spec.kube, name.text, in: place), left.uid == found.object.uid {
        return try StoredObject.resource(left, or: KubeError.self)
      }
    } catch {
      throw error.told("\(Spec.kind) \(name)")
    }
    // Nobody holds it: it is gone already.
    var gone = found.resource
    gone.metadata.deletionTimestamp = WallClock.system.now()
    return gone
  }

  package func remove<Spec: ResourceSpec>(
    _ kind: Spec.Type, owner: UserIdentity?, name: ResourceName, uid: String
  ) async throws(PalanaError) {
    let found = try await find(kind, owner: owner, name: name)
    try Self.expect(uid: uid, found)
    let place = found.object.namespace.isEmpty ? nil : found.object.namespace
    let client = try await writer("delete", found.resource, in: place)
    do throws(KubeError) {
      if !found.object.isDeleting { try await client.delete(Spec.kube, name.text, in: place, uid: uid) }
      guard found.object.finalizers.contains(StoredObject.finalizer),
        let left = try await client.find(Spec.kube, name.text, in: place), left.uid == uid
      else { return }
      // With its version: another one's finalizer must not be lost.
      let others = left.finalizers.filter { $0 != StoredObject.finalizer }.map(JSONValue.string)
      let patch: JSONValue = [
        "metadata": ["uid": .string(uid), "resourceVersion": .string(left.resourceVersion), "finalizers": .array(others)]
      ]
      _ = try await client.patch(Spec.kube, name.text, in: place, .merge(patch))
    } catch {
      guard error.kind != .notFound else { return }
      throw error.told("\(Spec.kind) \(name)")
    }
  }
}

extension StoredObject {
  /// As ``resource(_:)``, where only the API server's errors are thrown.
  fileprivate static func resource<Spec: ResourceSpec>(
    _ object: KubeObject, or: KubeError.Type
  ) throws(KubeError) -> Resource<Spec> {
    do throws(PalanaError) { return try resource(object) } catch { throw KubeError(.malformed, error.message) }
  }
}

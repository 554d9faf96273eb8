package import Logging
package import PalanaAPI
package import PalanaCore
package import PalanaKube
import PalanaPlan
package import PalanaStore

/// The stores of a cluster: one for each who acts, over the same directory.
package struct ClusterStores: Sendable {
  package let directory: ClusterDirectory
  let client: KubeClient
  let namespaces: OwnerNamespaces
  let logger: Logger

  /// - Parameter client: as the platform itself.
  package init(_ client: KubeClient, logger: Logger) {
    self.client = client
    self.logger = logger
    directory = ClusterDirectory(client, logger: logger)
    namespaces = OwnerNamespaces(client)
  }

  package func store(for actor: ClusterActor) -> KubeStore { KubeStore(stores: self, actor: actor) }
}

/// Keeps resources as custom resources of a cluster, as one who acts: the API server's rights decide about each read and write.
///
/// An owner's objects stand in the owner's namespace. One that people put elsewhere is found by its `spec.owner`.
package struct KubeStore: ResourceStore {
  let stores: ClusterStores
  let actor: ClusterActor
  let client: KubeClient
  var directory: ClusterDirectory { stores.directory }

  /// How often a write is begun anew when somebody else was faster.
  static let attempts = 10

  init(stores: ClusterStores, actor: ClusterActor) {
    self.stores = stores
    self.actor = actor
    client = stores.client.acting(actor)
  }

  /// Watches are the platform's own: they tell that something changed, not what.
  package func watch() -> AsyncStream<StoreChange> { directory.hub.subscribe(limit: 4_096) }

  // MARK: Reading

  package func get<Spec: ResourceSpec>(
    _ kind: Spec.Type, owner: UserIdentity?, name: ResourceName
  ) async throws(PalanaError) -> Resource<Spec> {
    try await find(kind, owner: owner, name: name).resource
  }

  package func list<Spec: ResourceSpec>(_ kind: Spec.Type, owner: UserIdentity?) async throws(PalanaError) -> [Resource<Spec>] {
    var objects: [KubeObject]
    if Spec.isOwned, let owner {
      objects = try await owned(kind, owner)
    } else {
      objects = try await whole(kind)
    }
    var resources: [Resource<Spec>] = []
    for object in objects {
      // One that cannot be read must not hide the others; whoever asks for it by name is told.
      do throws(PalanaError) { resources.append(try read(object)) } catch {
        stores.logger.warning("an object cannot be read", metadata: ["object": "\(object.key)", "error": "\(error.message)"])
      }
    }
    return resources.sorted { one, other in
      (one.spec.owner?.raw ?? "", one.metadata.name.text) < (other.spec.owner?.raw ?? "", other.metadata.name.text)
    }
  }

  private func whole<Spec: ResourceSpec>(_ kind: Spec.Type) async throws(PalanaError) -> [KubeObject] {
    do throws(KubeError) {
      return try await reader(kind).list(Spec.kube).objects.filter(isShown)
    } catch {
      throw error.told("\(Spec.kind)s")
    }
  }

  /// An order is nobody's secret from those it is about, and of no concern to anybody else.
  private func isShown(_ object: KubeObject) -> Bool {
    guard object.kind == KillOrderSpec.kind, case .person(_, let identity, isOperator: false) = actor else { return true }
    return Self.concerns(object, identity)
  }

  private static func concerns(_ order: KubeObject, _ identity: UserIdentity) -> Bool {
    let resource: KillOrder? = try? StoredObject.resource(order)
    return switch resource?.spec.target {
    case .agent, .owner: resource.map { isOwn($0.spec.target, of: identity) } ?? true
    // One that cannot be read is about everybody.
    case .template, .all, nil: true
    }
  }

  private func owned<Spec: ResourceSpec>(_ kind: Spec.Type, _ owner: UserIdentity) async throws(PalanaError) -> [KubeObject] {
    let own = OwnerNamespace.name(owner)
    var objects: [KubeObject] = []
    if try await stores.namespaces.exists(owner) {
      do throws(KubeError) { objects = try await client.list(Spec.kube, Selection(namespace: own)).objects } catch {
        throw error.told("\(Spec.kind)s")
      }
    }
    for key in directory.keys(kind, owner: owner) where key.namespace != own {
      do throws(KubeError) {
        if let object = try await client.find(Spec.kube, key.name, in: key.namespace) { objects.append(object) }
      } catch {
        // What its owner may not read is not shown; asking for it by name says why.
        guard error.kind == .forbidden else { throw error.told("\(Spec.kind) \(key.name)") }
      }
    }
    return objects.filter { $0["spec"]?["owner"]?.string.map { $0.utf8.elementsEqual(owner.raw.utf8) } ?? false }
  }

  // MARK: Finding one

  struct Found<Spec: ResourceSpec>: Sendable {
    var object: KubeObject
    var resource: Resource<Spec>
  }

  func find<Spec: ResourceSpec>(
    _ kind: Spec.Type, owner: UserIdentity?, name: ResourceName
  ) async throws(PalanaError) -> Found<Spec> {
    let what = "\(Spec.kind) \(name)"
    var found: [Found<Spec>] = []
    var refusal: KubeError?
    for namespace in try await places(kind, owner, name) {
      do throws(KubeError) {
        guard let object = try await reader(kind).find(Spec.kube, name.text, in: namespace) else { continue }
        let resource: Resource<Spec> = try readable(object)
        // One of the same name in a namespace that people share may be somebody else's.
        let isMeant = Spec.isOwned ? resource.spec.owner == owner : isShown(object)
        if isMeant { found.append(Found(object: object, resource: resource)) }
      } catch {
        guard error.kind == .forbidden else { throw error.told(what) }
        refusal = error
      }
    }
    guard let first = found.first else {
      throw refusal?.told(what) ?? PalanaError(.notFound, "there is no \(Spec.kind) named \(name)")
    }
    guard found.count == 1 else {
      throw PalanaError(
        .conflict,
        "\(owner?.raw ?? "") has several \(Spec.plural) ‘\(name)’: in the namespaces \(found.map(\.object.namespace).joined(separator: ", "))",
        hint: "delete all but one: kubectl delete \(Spec.kind.lowercased()) \(name) -n NAMESPACE")
    }
    return first
  }

  /// A person's own orders are found by the platform, as they are written by it.
  private func reader<Spec: ResourceSpec>(_ kind: Spec.Type) -> KubeClient {
    if Spec.kind == KillOrderSpec.kind, case .person(_, _, isOperator: false) = actor { return stores.client }
    return client
  }

  private func readable<Spec: ResourceSpec>(_ object: KubeObject) throws(KubeError) -> Resource<Spec> {
    do throws(PalanaError) { return try read(object) } catch { throw KubeError(.malformed, error.message) }
  }

  private func read<Spec: ResourceSpec>(_ object: KubeObject) throws(PalanaError) -> Resource<Spec> {
    let resource: Resource<Spec> = try StoredObject.resource(object)
    if Spec.kind == AgentSpec.kind { directory.note(resource.spec.owner, resource.metadata.name) }
    return resource
  }

  /// Where it may stand; nil is no namespace.
  private func places<Spec: ResourceSpec>(
    _ kind: Spec.Type, _ owner: UserIdentity?, _ name: ResourceName
  ) async throws(PalanaError) -> [String?] {
    guard Spec.isOwned else { return [nil] }
    guard let owner else { throw PalanaError(.invalid, "spec.owner: required for \(Spec.kind)") }
    var places = directory.namespaces(kind, owner: owner, name: name.text)
    // The directory may not have heard of it yet.
    if try await stores.namespaces.exists(owner) { places.insert(OwnerNamespace.name(owner)) }
    return places.sorted()
  }
}

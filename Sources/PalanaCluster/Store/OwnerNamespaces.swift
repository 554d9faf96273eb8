import PalanaCore
import PalanaKube
import PalanaPlan
import Synchronization

/// The namespaces of owners: makes one on first use, with the owner's rights in it. The only thing that is written with the platform's
/// own rights.
final class OwnerNamespaces: Sendable {
  /// What an owner may do in the own namespace; the chart brings it.
  static let role = "palana-user"
  private static let namespaces = KubeResource("", "v1", "namespaces", kind: "Namespace", isNamespaced: false)
  private static let bindings = KubeResource("rbac.authorization.k8s.io", "v1", "rolebindings", kind: "RoleBinding")
  private static let annotation = AgentLabels.owner
  /// How long a namespace that was there is taken to be there still.
  private static let memory = Duration.seconds(30)
  private static let most = 4_096
  private static let youth = Duration.seconds(600)

  private let client: KubeClient
  private let clock: WallClock
  private let seen = Mutex<[UserIdentity: ContinuousClock.Instant]>([:])

  /// - Parameter client: as the platform itself.
  init(_ client: KubeClient, clock: WallClock = .system) {
    self.client = client
    self.clock = clock
  }

  /// Whether there is a namespace of this name, whoever's.
  func isThere(_ name: String) async throws(PalanaError) -> Bool {
    do throws(KubeError) { return try await client.find(Self.namespaces, name) != nil } catch { throw error.told("namespace \(name)") }
  }

  /// Whether the owner has a namespace.
  ///
  /// - Throws: ``PalanaError``: `conflict` when its name is taken by somebody else.
  func exists(_ owner: UserIdentity) async throws(PalanaError) -> Bool {
    if let at = seen.withLock({ $0[owner] }), at + Self.memory > .now { return true }
    let name = OwnerNamespace.name(owner)
    do throws(KubeError) {
      guard let found = try await client.find(Self.namespaces, name) else { return false }
      try check(found, owner)
    } catch {
      throw error.told("namespace \(name)")
    }
    remember(owner)
    return true
  }

  /// Makes the namespace and the owner's rights in it. Rights that were taken away later are not given again.
  ///
  /// - Returns: whether anything was made, so that it may take a moment to hold.
  func ensure(_ owner: UserIdentity) async throws(PalanaError) -> Bool {
    if let at = seen.withLock({ $0[owner] }), at + Self.memory > .now { return false }
    // Rights given to such a name would be rights of the cluster's own programs.
    guard !owner.raw.hasPrefix("system:") else {
      throw PalanaError(.invalid, "‘\(owner)’ is a name of the cluster itself and owns no agents")
    }
    let name = OwnerNamespace.name(owner)
    do throws(KubeError) {
      if try await client.find(Self.namespaces, name) == nil { try await make(Self.namespaces, namespace(name, owner)) }
      let found = try await client.get(Self.namespaces, name)
      try check(found, owner)
      // A young one may be what is left of a call that was cut off before it gave the rights.
      let isYoung = found.created.map { $0 + Self.youth > clock.now() } ?? true
      if isYoung { try await make(Self.bindings, binding(name, owner)) }
      remember(owner)
      return isYoung
    } catch {
      throw error.told("namespace \(name)")
    }
  }

  private func make(_ resource: KubeResource, _ object: KubeObject) async throws(KubeError) {
    do throws(KubeError) { _ = try await client.create(resource, object) } catch {
      guard error.kind == .alreadyExists else { throw error }
    }
  }

  private func remember(_ owner: UserIdentity) {
    seen.withLock { seen in
      if seen.count >= Self.most { seen.removeAll(keepingCapacity: true) }
      seen[owner] = .now
    }
  }

  private func check(_ found: KubeObject, _ owner: UserIdentity) throws(KubeError) {
    guard let raw = found.annotations[Self.annotation], raw.utf8.elementsEqual(owner.raw.utf8), !found.isDeleting else {
      throw KubeError(
        .invalid, "the namespace \(found.name) is not that of \(owner), or is being deleted: an operator of the cluster has to look at it")
    }
  }

  private func namespace(_ name: String, _ owner: UserIdentity) -> KubeObject {
    var object = KubeObject(Self.namespaces, name: name)
    object.setMetadata(
      "labels",
      [
        OwnerNamespace.label: "true",
        "app.kubernetes.io/managed-by": .string(AgentLabels.manager),
        // Nothing runs here, and if something did it would run in chains.
        "pod-security.kubernetes.io/enforce": "restricted",
      ])
    object.setMetadata("annotations", [Self.annotation: .string(owner.raw)])
    return object
  }

  private func binding(_ name: String, _ owner: UserIdentity) -> KubeObject {
    var object = KubeObject(Self.bindings, namespace: name, name: Self.role)
    let group: JSONValue = "rbac.authorization.k8s.io"
    object["roleRef"] = ["apiGroup": group, "kind": "ClusterRole", "name": .string(Self.role)]
    object["subjects"] = [["apiGroup": group, "kind": "User", "name": .string(owner.raw)]]
    return object
  }
}

extension KubeObject {
  fileprivate var created: Timestamp? { metadata["creationTimestamp"]?.string.flatMap { Timestamp(parsing: $0) } }
}

import PalanaCore
import PalanaKube
import PalanaPlan

/// Makes single objects what they are wanted to be, with no request when they are.
struct ObjectWriter: Sendable {
  /// On every object: what was wanted when it was written, so that after a restart a change by others is told from one of ours.
  static let appliedAnnotation = "palana.dev/applied"

  enum Outcome: Sendable, Hashable {
    case same
    case created
    /// Something else is wanted than before.
    case changed([String])
    /// Somebody else had changed or removed it. `by`: the field manager, empty when nobody knows.
    case repaired([String], by: String)
  }

  let cluster: any ClusterWriting
  let copy: ClusterCopy
  let memory: WriteMemory
  let seal: PolicySeal

  /// The newest that is known.
  func current(_ member: ClusterCopy.Member) -> Kept? { memory.newest(member, told: copy.object(member)) }

  /// - Throws: ``KubeError``; of kind `conflict` while the object is being deleted.
  func ensure(_ wanted: KubernetesManifest) async throws(KubeError) -> Outcome {
    let member = ClusterCopy.Member(kind: wanted.kind, key: ObjectKey(namespace: wanted.namespace ?? "", name: wanted.name))
    var marked = wanted
    if wanted.kind.isPolicy {
      marked.annotations[PolicySeal.annotation] = seal.text(wanted.kind, member.key.namespace, wanted.name, .object(wanted.body))
    }
    let digest = Digest.text(marked.json.encoded(sortedKeys: true))
    marked.annotations[Self.appliedAnnotation] = digest
    let before = current(member)
    if let before {
      let differences = Comparison.differences(Self.comparable(marked), before.object)
      guard !differences.isEmpty else {
        memory.match(member, digest)
        return .same
      }
      guard !before.isDeleting else {
        throw KubeError(.conflict, "the \(wanted.kind.rawValue) ‘\(wanted.name)’ is being deleted")
      }
      let wasSame = memory.matched(member) == digest || before.annotation(Self.appliedAnnotation) == digest
      try await write(marked, member, replacing: before)
      memory.match(member, digest)
      return wasSame ? .repaired(differences, by: before.changedBy) : .changed(differences)
    }
    let wasThere = memory.matched(member) != nil
    try await write(marked, member, replacing: nil)
    memory.match(member, digest)
    return wasThere ? .repaired(["removed"], by: "") : .created
  }

  private func write(
    _ wanted: KubernetesManifest, _ member: ClusterCopy.Member, replacing before: Kept?
  ) async throws(KubeError) {
    let resource = wanted.kind.resource
    let object = KubeObject(wanted.json)
    var answer: KubeObject
    do throws(KubeError) {
      answer = try await cluster.apply(resource, object, subresource: nil)
    } catch {
      // What cannot be changed is made anew, where nothing is lost with it.
      guard error.kind == .invalid, let before, wanted.kind.isReplaceable else { throw error }
      try await cluster.delete(resource, member.key, uid: before.uid)
      answer = try await cluster.apply(resource, object, subresource: nil)
    }
    // Applying cannot take away what somebody else added and owns.
    if !Comparison.differences(Self.comparable(wanted), Kept.comparable(wanted.kind, answer)).isEmpty {
      answer = try await cluster.replace(resource, KubeObject(Comparison.merged(wanted, answer.json)))
    }
    memory.wrote(member, Kept(wanted.kind, answer))
  }

  /// Asks for the deletion of what is there; nothing is no error.
  func remove(_ object: Kept) async throws(KubeError) {
    guard !object.isDeleting else { return }
    do throws(KubeError) {
      try await cluster.delete(object.kind.resource, object.key, uid: object.uid)
    } catch {
      // Another one of this name: the watch tells of it.
      guard error.kind == .conflict else { throw error }
    }
  }

  /// A manifest as its copy is kept: with digests where that has them.
  private static func comparable(_ wanted: KubernetesManifest) -> KubernetesManifest {
    guard wanted.kind == .secret || wanted.kind == .configMap else { return wanted }
    var result = wanted
    result.body["data"] = Kept.comparable(wanted.kind, KubeObject(wanted.json))["data"]
    return result
  }
}

extension KubernetesManifest.Kind {
  /// Whether an object may be deleted and made again at once: nothing is kept in it and nothing runs by it.
  fileprivate var isReplaceable: Bool {
    switch self {
    case .roleBinding, .configMap, .secret, .endpointSlice: true
    case .namespace, .networkPolicy, .ciliumNetworkPolicy, .resourceQuota, .limitRange, .serviceAccount, .role, .persistentVolumeClaim,
      .service, .statefulSet, .ingress, .httpRoute:
      false
    }
  }
}

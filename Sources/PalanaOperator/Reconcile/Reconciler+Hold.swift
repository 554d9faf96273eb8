import PalanaCore
import PalanaKube
import PalanaPlan

extension Reconciler {
  /// Keeps an agent that cannot be planned closed in: what needs no plan is repaired as ever; of its ways out and in, each stays as long as it is
  /// as it was written last, and is taken away when anybody changed it or made another. Nothing is made for an agent that never had anything.
  func holdShut(_ pass: inout Pass) async throws(PassFailure) {
    let identity = pass.identity
    guard let space = writer.current(.init(kind: .namespace, key: ObjectKey(name: identity.namespace))), isOwn(space, pass),
      !space.isDeleting
    else { return }
    pass.manifests =
      AgentEnclosure(owner: identity.owner, name: identity.name, uid: pass.seen.uid, source: pass.seen.key.description).manifests()
    _ = try await apply(&pass)
    for member in copy.members(of: identity.namespace).sorted(by: { ($0.kind, $0.key) < ($1.kind, $1.key) })
    where member.kind.isPolicy && member.key.name != KubernetesRenderer.Name.defaultDeny {
      guard let policy = writer.current(member), !policy.isDeleting, !seal.isIntact(policy) else { continue }
      do throws(KubeError) { try await writer.remove(policy) } catch { throw .failed(error) }
      pass.repairs.append(Pass.Repair(member: member, fields: ["closed, as there is no plan to repair it by"], by: policy.changedBy))
      memory.forget([member])
    }
  }
}

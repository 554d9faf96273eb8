import PalanaAPI
import PalanaCore
import PalanaKube
import PalanaPlan

extension Reconciler {
  /// Takes an agent's paths and its process away, from what is there alone: no plan is needed for it and none can be in its way.
  func cut(_ seen: SeenAgent) async throws(KubeError) {
    guard let namespace = seen.identity?.namespace else { return }
    for member in copy.members(of: namespace).sorted(by: { $0.key < $1.key }) {
      switch member.kind {
      case .networkPolicy where member.key.name != KubernetesRenderer.Name.defaultDeny, .ciliumNetworkPolicy:
        if let policy = writer.current(member) {
          try await writer.remove(policy)
          memory.forget([member])
        }
      case .statefulSet:
        guard let workload = writer.current(member), workload.object["spec"]?["replicas"] != 0 else { continue }
        memory.wrote(
          member, Kept(.statefulSet, try await cluster.merge(member.kind.resource, member.key, ["spec": ["replicas": 0]])))
      default: continue
      }
    }
  }
}

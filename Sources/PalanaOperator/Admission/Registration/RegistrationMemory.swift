import PalanaKube
import Synchronization

/// What was as it was wanted, so that a change by others is told from one of ours.
final class RegistrationMemory: Sendable {
  private let kept = Mutex<[String: KubeObject]>([:])

  func note(_ wanted: KubeObject, _ resource: KubeResource) {
    kept.withLock { $0["\(resource) \(wanted.name)"] = wanted }
  }

  func wasAsWanted(_ wanted: KubeObject, _ resource: KubeResource) -> Bool {
    kept.withLock { $0["\(resource) \(wanted.name)"] == wanted }
  }
}

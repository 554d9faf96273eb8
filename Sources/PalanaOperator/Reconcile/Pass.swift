import Logging
import PalanaAPI
import PalanaCore
import PalanaKube
import PalanaPlan

/// What a step says about the steps after it.
enum Verdict: Sendable {
  case next
  /// This pass is over and there is nothing to say: the agent changed by it, or is gone.
  case done
}

/// Why a pass came no further, and what happens then.
enum PassFailure: Error, Sendable {
  /// Nothing helps but a change of something. `again`: one that nobody tells of is looked for then.
  case stalled(reason: String, message: String, again: Duration? = nil)
  /// It takes time that nobody tells the end of.
  case waiting(reason: String, message: String, Duration)
  case failed(KubeError)
}

/// One look at one agent: what was seen, what follows from it, and what was done.
struct Pass: Sendable {
  let seen: SeenAgent
  let identity: SeenAgent.Identity
  var wish: AgentWish?
  /// What is wanted in the cluster, in the order in which it is applied.
  var manifests: [KubernetesManifest] = []
  var repairs: [Repair] = []
  /// Of the storage, which may stay as it is without harm to the rest.
  var storageProblem: String?
  /// nil: no step came to it.
  var grant: GrantState?

  struct Repair: Sendable, Hashable {
    var member: ClusterCopy.Member
    var fields: [String]
    var by: String
  }
}

/// A step of a pass. Steps stand in a list; only the status is written elsewhere.
struct Step: Sendable {
  var name: String
  var run: @Sendable (inout Pass) async throws(PassFailure) -> Verdict
}

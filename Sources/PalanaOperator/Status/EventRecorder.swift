import Logging
import PalanaCore
import PalanaKube

/// Tells people what happened to an agent, where `kubectl describe` shows it (`events.k8s.io/v1`).
actor EventRecorder {
  typealias Kind = AgentEvent.Kind

  private struct Said: Hashable {
    var uid: String
    var reason: String
    var note: String
  }

  private let cluster: any ClusterWriting
  private let identity: String
  private let clock: WallClock
  private let logger: Logger
  /// What was said lately: the same again within a minute is noise.
  private var said: [Said: ContinuousClock.Instant] = [:]

  init(_ cluster: any ClusterWriting, identity: String, clock: WallClock, logger: Logger) {
    self.cluster = cluster
    self.identity = identity
    self.clock = clock
    self.logger = logger
  }

  /// A failure is logged and nothing else: what an event tells has happened already.
  func record(_ agent: SeenAgent, _ kind: Kind, reason: String, _ note: String) async {
    let text = String(note.prefix(1_000))
    let key = Said(uid: agent.uid, reason: reason, note: text)
    let now = ContinuousClock.now
    if said.count > 10_000 { said = said.filter { $0.value + .seconds(60) > now } }
    if let last = said[key], last + .seconds(60) > now { return }
    said[key] = now
    let event = AgentEvent(
      namespace: agent.key.namespace, name: agent.key.name, uid: agent.uid, type: kind, reason: reason, note: text,
      reporter: OperatorName.controller, instance: identity
    ).object(at: clock.now())
    do throws(KubeError) { _ = try await cluster.create(ClusterKinds.events, event) } catch {
      logger.debug("an event could not be written", metadata: ["agent": "\(agent.key)", "error": "\(error.message)"])
    }
  }
}

import PalanaAPI
import PalanaCore
import PalanaPlan

/// A running agent that may become idle.
struct IdleCandidate: Sendable {
  var id: AgentID
  var name: ResourceName
  var owner: UserIdentity
  /// Namespace of the object in a cluster; nil on one machine.
  var namespace: String?
  var uid: String
  var resourceVersion: String
  var generation: Int64
  var facts: IdleRule.Facts

  /// The agent as a candidate; nil: it does not run, belongs to nobody, is on its way out, or may do nothing for as long as it likes.
  ///
  /// - Parameters:
  ///   - template: the one that it names; nil when there is none, or it is not known.
  ///   - seen: activity that is not in its status yet.
  init?(_ agent: Agent, template: AgentTemplate?, namespace: String? = nil, seen: Timestamp?) {
    guard let owner = agent.spec.owner, let uid = agent.metadata.uid, let generation = agent.metadata.generation,
      let version = agent.metadata.resourceVersion, agent.metadata.deletionTimestamp == nil, !agent.isIdle,
      let status = agent.status, status.phase == .running, let spec = try? agent.spec.effective(template: template?.spec),
      spec.desired == .running, let idleAfter = spec.idleAfter
    else { return nil }
    // One whose start nobody knows of cannot be said to have done nothing.
    guard let last = [status.startedAt, status.lastActivity, seen].compactMap({ $0 }).max() else { return nil }
    id = AgentID(owner: owner, name: agent.metadata.name)
    name = agent.metadata.name
    self.owner = owner
    self.namespace = namespace
    self.uid = uid
    resourceVersion = version
    self.generation = generation
    facts = IdleRule.Facts(
      idleAfter: idleAfter.duration, lastActivity: last,
      warnedAt: agent.metadata.annotations?[IdleAnnotation.warned].flatMap { Timestamp(parsing: $0) })
  }
}

/// Where agents are kept, as the reaper sees it.
protocol IdleAgents: Sendable {
  func candidates(now: Timestamp) async throws(PalanaError) -> [IdleCandidate]

  /// Sets one annotation, provided that nobody has changed the agent since it was read.
  ///
  /// - Throws: ``PalanaError``: `conflict` when somebody has, `notFound`.
  func annotate(_ candidate: IdleCandidate, _ name: String, _ value: String) async throws(PalanaError)

  /// Tells people who look at the agent.
  func tell(_ candidate: IdleCandidate, reason: String, _ text: String) async
}

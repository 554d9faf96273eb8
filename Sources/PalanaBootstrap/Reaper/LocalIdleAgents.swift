import Logging
import PalanaAPI
import PalanaCore
import PalanaPlan
import PalanaStore
import ServiceLifecycle

/// The agents of one machine.
struct LocalIdleAgents: IdleAgents {
  let store: any ResourceStore
  let activity: ActivityBook

  func candidates(now: Timestamp) async throws(PalanaError) -> [IdleCandidate] {
    let agents = try await store.list(AgentSpec.self, owner: nil)
    let templates = Dictionary(
      try await store.list(AgentTemplateSpec.self, owner: nil).map { ($0.metadata.name.text, $0) }, uniquingKeysWith: { first, _ in first })
    activity.keep(Set(agents.compactMap { agent in agent.spec.owner.map { AgentID(owner: $0, name: agent.metadata.name) } }))
    return agents.compactMap { agent in
      let id = agent.spec.owner.map { AgentID(owner: $0, name: agent.metadata.name) }
      return IdleCandidate(
        agent, template: agent.spec.effectiveTemplateName.flatMap { templates[$0] }, seen: id.flatMap { activity.last(of: $0, now: now) })
    }
  }

  func annotate(_ candidate: IdleCandidate, _ name: String, _ value: String) async throws(PalanaError) {
    var agent = try await store.get(AgentSpec.self, owner: candidate.owner, name: candidate.name)
    // The status changes all the time; what is wanted must be what was judged.
    guard agent.metadata.uid == candidate.uid, agent.metadata.generation == candidate.generation, !agent.isIdle else {
      throw PalanaError(.conflict, "the agent changed")
    }
    agent.metadata.annotations = (agent.metadata.annotations ?? [:]).merging([name: value]) { _, new in new }
    _ = try await store.update(agent)
  }

  /// `pcli describe` and `pcli audit` show it.
  func tell(_ candidate: IdleCandidate, reason: String, _ text: String) async {}
}

/// The reaper of one machine: looks every few seconds, until graceful shutdown.
struct IdleTimer: Service {
  let reaper: IdleReaper
  /// When agents were active last, each by its own measure.
  let sources: [@Sendable () async -> [AgentID: Timestamp]]
  let activity: ActivityBook
  var interval = Duration.seconds(10)

  func run() async throws {
    try? await cancelWhenGracefulShutdown {
      while true {
        try await Task.sleep(for: interval)
        for source in sources { for (agent, time) in await source() { activity.note(agent, at: time) } }
        do throws(PalanaError) { _ = try await reaper.look() } catch {
          reaper.logger.error("agents could not be looked at for idleness", metadata: ["error": "\(error)"])
        }
      }
    }
  }
}

import Logging
import PalanaAPI
import PalanaCore
import PalanaKube
import PalanaOperator
import PalanaPlan

/// The agents of a cluster. What they do is in their status, where gateways and the control API write it.
struct ClusterIdleAgents: IdleAgents {
  let client: KubeClient
  /// Of the installation, where the gateways' leases are.
  let namespace: String
  /// Whether somebody has to be there who sees what agents do.
  let needsGateway: Bool
  let prometheus: PrometheusActivity?
  /// Writes nothing.
  let isDry: Bool
  let clock: WallClock
  let logger: Logger

  /// What gateways and the control API write is at most so old.
  static let lag = Duration.seconds(120)

  func candidates(now: Timestamp) async throws(PalanaError) -> [IdleCandidate] {
    do {
      if needsGateway { try await lookForGateways(now) }
      let active = try await prometheus?.activeNamespaces() ?? []
      var templates: [String: AgentTemplate] = [:]
      for object in try await client.list(ClusterKinds.templates).objects {
        if let template = try? StrictDecoder.decode(AgentTemplate.self, from: object.json, passesUnknown: true) {
          templates[template.metadata.name.text] = template
        }
      }
      return try await client.list(ClusterKinds.agents).objects.compactMap { candidate($0, templates, active, now) }
    } catch let error as PalanaError {
      throw error
    } catch let error as KubeError {
      throw PalanaError(.unreachable, "the cluster cannot be read: \(error.message)")
    } catch {
      throw PalanaError(.failed, "the cluster cannot be read")
    }
  }

  private func candidate(
    _ object: KubeObject, _ templates: [String: AgentTemplate], _ active: Set<String>, _ now: Timestamp
  ) -> IdleCandidate? {
    guard let agent = try? StrictDecoder.decode(Agent.self, from: object.json, passesUnknown: true), let owner = agent.spec.owner,
      object.annotations["palana.dev/paused"] != "true"
    else { return nil }
    var template: AgentTemplate?
    if let name = agent.spec.effectiveTemplateName {
      template = templates[name] ?? BuiltinTemplates.named(name)
      // What it would say about idleness is not known.
      guard template != nil else { return nil }
    }
    let isActive = active.contains(AgentNamespace.name(owner: owner, agent: agent.metadata.name))
    let seen = isActive ? now : agent.status?.lastActivity.map { min(now, $0 + Self.lag) }
    return IdleCandidate(agent, template: template, namespace: object.namespace, seen: seen)
  }

  /// - Throws: ``PalanaError`` with code `unreachable` when no gateway lives: then silence means nothing.
  private func lookForGateways(_ now: Timestamp) async throws {
    let leases = try await client.list(LeaderElection.leases, Selection(namespace: namespace, labels: "palana.dev/gateway=true")).objects
    let lives = leases.contains { lease in
      guard let text = lease["spec"]?["renewTime"]?.string, let renewed = Timestamp(parsing: text) else { return false }
      return renewed + .seconds(lease["spec"]?["leaseDurationSeconds"]?.int ?? 0) > now
    }
    guard lives else {
      throw PalanaError(
        .unreachable, "no gateway has a lease in \(namespace): nobody sees what agents do, so nobody is stopped",
        hint: "look at the gateways, or set requireGateway: false where something else tells of activity")
    }
  }

  func annotate(_ candidate: IdleCandidate, _ name: String, _ value: String) async throws(PalanaError) {
    guard !isDry, let namespace = candidate.namespace else { return }
    do throws(KubeError) {
      _ = try await client.patch(
        ClusterKinds.agents, candidate.name.text, in: namespace,
        .merge([
          "metadata": [
            "uid": .string(candidate.uid), "resourceVersion": .string(candidate.resourceVersion),
            "annotations": .texts([name: value]),
          ]
        ]))
    } catch {
      switch error.kind {
      case .conflict: throw PalanaError(.conflict, error.message)
      case .notFound: throw PalanaError(.notFound, error.message)
      default: throw PalanaError(.failed, error.message)
      }
    }
  }

  func tell(_ candidate: IdleCandidate, reason: String, _ text: String) async {
    guard !isDry, let namespace = candidate.namespace else { return }
    let event = AgentEvent(
      namespace: namespace, name: candidate.name.text, uid: candidate.uid, type: reason == "Idle" ? .normal : .warning, reason: reason,
      note: text, reporter: "palana.dev/reaper", instance: "reaper")
    do throws(KubeError) { _ = try await client.create(AgentEvent.resource, event.object(at: clock.now())) } catch {
      logger.debug("an event could not be written", metadata: ["agent": "\(candidate.id)", "error": "\(error.message)"])
    }
  }
}

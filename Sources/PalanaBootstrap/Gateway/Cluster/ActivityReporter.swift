import Logging
import PalanaCore
import PalanaKube
import PalanaOperator
import ServiceLifecycle

/// Writes into the agents' status when they were active last, for the reaper.
///
/// Several processes (gateways, the control API) write the same member, and each only what it saw itself. What one writes over another's
/// is never older than ``granularity``, which the reaper allows for: what could not be written in time is written only where nothing later
/// stands.
struct ActivityReporter: Service, CustomStringConvertible {
  /// How much later something has to be than what was written before.
  static let granularity = Duration.seconds(60)

  let client: KubeClient
  let activity: @Sendable () async -> [AgentID: Timestamp]
  /// The objects of agents, with their uids.
  let places: @Sendable (Set<AgentID>) -> [AgentID: (key: ObjectKey, uid: String)]
  var interval = Duration.seconds(30)
  var clock = WallClock.system
  let logger: Logger

  var description: String { "ActivityReporter" }

  func run() async throws {
    try? await cancelWhenGracefulShutdown {
      var written: [AgentID: Timestamp] = [:]
      while true {
        try await Task.sleep(for: interval)
        await report(&written)
      }
    }
  }

  /// - Parameter written: what this process wrote before.
  func report(_ written: inout [AgentID: Timestamp]) async {
    let activity = await activity()
    let places = places(Set(activity.keys))
    written = written.filter { places[$0.key] != nil }
    for (id, time) in activity {
      guard let place = places[id], written[id].map({ time - $0 >= Self.granularity }) ?? true else { continue }
      do throws(KubeError) {
        if clock.now() - time > Self.granularity, try await stands(place.key, after: time) {
          written[id] = time
          continue
        }
        _ = try await client.patch(
          ClusterKinds.agents, place.key.name, in: place.key.namespace,
          // A status has no precondition but what a patch tests itself.
          .json([
            ["op": "test", "path": "/metadata/uid", "value": .string(place.uid)],
            ["op": "add", "path": "/status/lastActivity", "value": .string("\(time)")],
          ]), subresource: "status")
        written[id] = time
      } catch {
        // One that is gone, or has no status yet, has nothing to be active for.
        guard ![.notFound, .conflict, .invalid].contains(error.kind) else { continue }
        logger.warning("an agent's activity could not be written", metadata: ["agent.id": "\(id)", "error": "\(error.message)"])
        return
      }
    }
  }

  /// Whether somebody wrote of something later already.
  private func stands(_ key: ObjectKey, after time: Timestamp) async throws(KubeError) -> Bool {
    let known = try await client.get(ClusterKinds.agents, key.name, in: key.namespace)["status"]?["lastActivity"]?.string
    return known.flatMap { Timestamp(parsing: $0) }.map { $0 >= time } ?? false
  }
}

import Logging
import PalanaCluster
import PalanaCore
import PalanaKube
import PalanaPlan

/// What people do in agents by way of the control API (`exec`, `shell`, `cp`) counts as activity of these agents.
struct PeopleActivity: Sendable {
  let book = ActivityBook()
  let directory: ClusterDirectory
  var clock = WallClock.system

  /// The newest deed in each agent that is still there.
  func newest() -> [AgentID: Timestamp] {
    let active = book.all(now: clock.now())
    book.keep(Set(directory.places(of: Set(active.keys)).keys))
    return active
  }

  /// Writes them for the reaper.
  func reporter(_ client: KubeClient, logger: Logger) -> ActivityReporter {
    ActivityReporter(client: client, activity: { newest() }, places: { directory.places(of: $0) }, clock: clock, logger: logger)
  }
}

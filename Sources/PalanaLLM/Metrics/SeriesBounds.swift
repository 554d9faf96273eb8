import PalanaAPI
import PalanaCore
import Synchronization

/// Whose series it is.
struct SeriesKey: Hashable, Sendable {
  var route: String
  var model: String
  /// Raw identity.
  var owner: String
  var agent: String

  /// Stands for everybody past the bound.
  static let other = SeriesKey(route: SeriesBounds.other, model: SeriesBounds.other, owner: SeriesBounds.other, agent: SeriesBounds.other)
}

/// What has a histogram of its own.
struct TimingKey: Hashable, Sendable {
  var route: String
  var model: String

  static let other = TimingKey(route: SeriesBounds.other, model: SeriesBounds.other)
}

/// How many series there may be, of all event loops together: names of models come from agents, and must not fill the memory of the
/// gateway or of whoever collects. A loop asks once for each series that is new to it.
final class SeriesBounds: Sendable {
  static let other = "other"

  /// Of requests, tokens and costs.
  static let series = 2_000
  static let timings = 200
  /// One agent cannot take the places of the others.
  static let seriesPerAgent = 32

  private struct Taken {
    var series: Set<SeriesKey> = []
    var ofAgent: [AgentKey: Int] = [:]
    var timings: Set<TimingKey> = []
  }

  private struct AgentKey: Hashable {
    var owner: String
    var agent: String
  }

  private let taken = Mutex(Taken())

  /// - Returns: the key itself, or the one that it is counted under.
  func admit(_ key: SeriesKey) -> SeriesKey {
    taken.withLock { taken in
      if taken.series.contains(key) { return key }
      var key = key
      let agent = AgentKey(owner: key.owner, agent: key.agent)
      if taken.ofAgent[agent, default: 0] >= Self.seriesPerAgent {
        key.model = Self.other
        // Of each route one; there are few.
        if taken.series.contains(key) { return key }
      }
      guard taken.series.count < Self.series else { return .other }
      taken.series.insert(key)
      taken.ofAgent[agent, default: 0] += 1
      return key
    }
  }

  func admit(_ key: TimingKey) -> TimingKey {
    taken.withLock { taken in
      if taken.timings.contains(key) { return key }
      guard taken.timings.count < Self.timings else { return .other }
      taken.timings.insert(key)
      return key
    }
  }
}

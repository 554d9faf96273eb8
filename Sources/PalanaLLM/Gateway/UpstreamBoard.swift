import NIOCore

/// Which upstreams of a route are in use at this moment, as one event loop has found them.
///
/// One that failed is left out for a while, twice as long each time; when all are left out, the one that is due first is asked.
struct UpstreamBoard {
  private struct Entry {
    var weight: Int
    /// What it has not got yet of its part, in the smooth weighted round robin.
    var credit = 0
    var failures = 0
    var outUntil = NIODeadline.uninitializedBeforeUse
  }

  private static let shortestPause = TimeAmount.milliseconds(500)
  private static let longestPause = TimeAmount.seconds(30)
  private var entries: [Entry]

  /// - Parameter weights: of the upstreams, in their order.
  init(weights: [Int]) { entries = weights.map { Entry(weight: $0) } }

  /// The next one to ask.
  ///
  /// - Parameters:
  ///   - tried: those that this request was sent to already; one of them is chosen only when there is no other.
  ///   - unfit: those that cannot answer this request at all.
  mutating func next(now: NIODeadline, tried: Set<Int> = [], unfit: Set<Int> = []) -> Int? {
    func isFit(_ index: Int) -> Bool { !unfit.contains(index) }
    func isFresh(_ index: Int) -> Bool { isFit(index) && !tried.contains(index) }
    return choose(where: { $1.outUntil <= now && isFresh($0) })
      ?? entries.indices.filter(isFresh).min { entries[$0].outUntil < entries[$1].outUntil }
      ?? choose(where: { $1.outUntil <= now && isFit($0) })
      ?? entries.indices.filter(isFit).min { entries[$0].outUntil < entries[$1].outUntil }
  }

  private mutating func choose(where isMeant: (Int, Entry) -> Bool) -> Int? {
    let candidates = entries.indices.filter { isMeant($0, entries[$0]) }
    // Those without a weight stand in for the others.
    let regular = candidates.filter { entries[$0].weight > 0 }
    guard !regular.isEmpty else { return candidates.first }
    for index in regular { entries[index].credit += entries[index].weight }
    guard let best = regular.max(by: { entries[$0].credit < entries[$1].credit }) else { return nil }
    entries[best].credit -= regular.reduce(0) { $0 + entries[$1].weight }
    return best
  }

  mutating func worked(_ index: Int) {
    guard entries.indices.contains(index) else { return }
    entries[index].failures = 0
    entries[index].outUntil = .uninitializedBeforeUse
  }

  /// - Parameter pause: as the upstream asked for it; nil: it did not.
  mutating func failed(_ index: Int, now: NIODeadline, pause: TimeAmount? = nil) {
    guard entries.indices.contains(index) else { return }
    let doublings = min(entries[index].failures, 6)
    entries[index].failures += 1
    let own = TimeAmount.nanoseconds(min(Self.shortestPause.nanoseconds << doublings, Self.longestPause.nanoseconds))
    entries[index].outUntil = now + min(max(own, pause ?? own), Self.longestPause)
  }
}

extension NIODeadline {
  /// Before every other.
  fileprivate static let uninitializedBeforeUse = NIODeadline.uptimeNanoseconds(0)
}

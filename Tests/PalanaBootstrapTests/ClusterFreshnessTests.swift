import PalanaCore
import Testing

@testable import PalanaBootstrap

/// When what is known of a cluster may be acted on.
@Suite struct ClusterFreshnessTests {
  private let error = PalanaError(.denied, "no")

  private func synced() -> ClusterFreshness {
    var freshness = ClusterFreshness(patience: .seconds(60), collections: ["a", "b"])
    freshness.synced("a")
    freshness.synced("b")
    return freshness
  }

  @Test func everythingIsReadFirst() {
    var freshness = ClusterFreshness(patience: .seconds(60), collections: ["a", "b"])
    freshness.renewed(at: .zero)
    freshness.synced("a")
    freshness.failed("b", error, now: .zero)
    #expect(!freshness.isSynced)
    #expect(freshness.problem(now: .zero)?.message == "b have not been read yet: no")
    freshness.synced("b")
    #expect(freshness.isSynced && freshness.problem(now: .zero) == nil)
  }

  @Test func theLeaseIsRenewed() {
    var freshness = synced()
    #expect(freshness.problem(now: .zero) != nil)
    freshness.renewed(at: .seconds(100))
    #expect(freshness.problem(now: .milliseconds(159_999)) == nil)
    freshness.renewalFailed(error)
    #expect(freshness.problem(now: .seconds(159)) == nil)
    #expect(freshness.problem(now: .seconds(160))?.message == "the lease could not be renewed: no")
    freshness.renewed(at: .seconds(161))
    #expect(freshness.problem(now: .seconds(162)) == nil)
  }

  @Test func aWatchThatFailsOnAndOnIsNoWatch() {
    var freshness = synced()
    func problem(_ now: Int) -> String? {
      freshness.renewed(at: .seconds(now))
      return freshness.problem(now: .seconds(now))?.message
    }
    for now in stride(from: 0, through: 59, by: 10) { freshness.failed("a", error, now: .seconds(now)) }
    #expect(problem(59) == nil)
    freshness.failed("a", error, now: .seconds(60))
    #expect(problem(60) == "a cannot be watched: no")
    // It tells something again.
    freshness.heard("a")
    #expect(problem(61) == nil)
    // Two failures far from each other are two that were got over.
    freshness.failed("b", error, now: .seconds(100))
    freshness.failed("b", error, now: .seconds(400))
    #expect(problem(400) == nil)
  }
}

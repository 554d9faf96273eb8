import PalanaAPI
import PalanaCore
import PalanaStore

/// How many calls the good runs before took, of each owner and tier.
///
/// Of each owner by themselves: what one person's agents do is no measure of another's, and nobody shall be able to tighten it.
struct RunHistory: Sendable {
  /// So many are needed to say something.
  static let enough = 20

  struct Key: Hashable {
    var owner: UserIdentity
    var tier: AgentReasoning.Tier
  }

  private var calls: [Key: [Int]] = [:]

  init(_ runs: [LLMGoodRun]) {
    for run in runs {
      if let tier = AgentReasoning.Tier(rawValue: run.tier) { add(run.calls, of: Key(owner: run.owner, tier: tier)) }
    }
  }

  mutating func add(_ count: Int, of key: Key) {
    calls[key, default: []].append(count)
    if let kept = calls[key]?.count, kept > LLMStore.goodRuns { calls[key]?.removeFirst(kept - LLMStore.goodRuns) }
  }

  /// Twice the 95th percentile (nearest rank); nil when there are too few.
  func bound(_ key: Key) -> Int? {
    guard let calls = calls[key], calls.count >= Self.enough else { return nil }
    let rank = (calls.count * 95 + 99) / 100
    let (bound, isTooMuch) = calls.sorted()[rank - 1].multipliedReportingOverflow(by: 2)
    return isTooMuch ? nil : bound
  }
}

import NIOCore
import PalanaCore

/// A bucket of tokens for each agent: so many questions at once, and so many more each second.
struct QueryBudget {
  private struct Bucket {
    var tokens: Double
    var filled: NIODeadline
  }

  private let perSecond: Double
  private let most: Double
  private var buckets: [AgentID: Bucket] = [:]

  init(perSecond: Int, atOnce: Int) {
    self.perSecond = Double(perSecond)
    most = Double(atOnce)
  }

  /// - Returns: whether the agent may ask once more.
  mutating func take(_ agent: AgentID, now: NIODeadline) -> Bool {
    var bucket = buckets[agent] ?? Bucket(tokens: most, filled: now)
    let elapsed = Double(max(0, (now - bucket.filled).nanoseconds)) / 1e9
    bucket.tokens = min(most, bucket.tokens + elapsed * perSecond)
    bucket.filled = now
    let isGranted = bucket.tokens >= 1
    if isGranted { bucket.tokens -= 1 }
    buckets[agent] = bucket
    return isGranted
  }

  /// Forgets the agents that are gone.
  mutating func keep(_ agents: Set<AgentID>) { buckets = buckets.filter { agents.contains($0.key) } }

  /// Buckets in memory.
  var count: Int { buckets.count }
}

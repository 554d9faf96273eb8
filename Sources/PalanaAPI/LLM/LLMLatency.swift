/// Times of many calls: their sum, the longest, and how many were within each of a few bounds.
package struct LLMLatency: Codable, Hashable, Sendable {
  /// Upper ends of the buckets in microseconds; the last bucket has none.
  package static let bounds: [Int64] = [100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000].map { $0 * 1000 }

  package var sumMicroseconds: Int64
  package var maxMicroseconds: Int64
  /// How many calls were in each bucket: one more than there are ``bounds``.
  package var counts: [Int64]

  package init(sumMicroseconds: Int64 = 0, maxMicroseconds: Int64 = 0, counts: [Int64]? = nil) {
    self.sumMicroseconds = sumMicroseconds
    self.maxMicroseconds = maxMicroseconds
    self.counts = counts ?? [Int64](repeating: 0, count: Self.bounds.count + 1)
  }

  package var count: Int64 { counts.reduce(0, &+) }

  /// Counts one call.
  package mutating func add(microseconds: Int64) {
    let time = max(0, microseconds)
    sumMicroseconds = sumMicroseconds.addingReportingOverflow(time).overflow ? .max : sumMicroseconds + time
    maxMicroseconds = max(maxMicroseconds, time)
    let bucket = Self.bounds.firstIndex { time <= $0 } ?? Self.bounds.count
    if counts.indices.contains(bucket) { counts[bucket] &+= 1 }
  }

  /// The mean in milliseconds; nil without calls.
  package var meanMs: Double? { count > 0 ? Double(sumMicroseconds) / Double(count) / 1000 : nil }

  /// A time in milliseconds within which `share` of the calls were, as exactly as the buckets say: spread evenly over theirs, and never
  /// beyond the longest.
  /// - Parameter share: 0 to 1, for example 0.95.
  /// - Returns: nil without calls.
  package func percentileMs(_ share: Double) -> Double? {
    let count = count
    guard count > 0 else { return nil }
    let wanted = share * Double(count)
    var seen = 0.0
    for (index, inBucket) in counts.enumerated() where inBucket > 0 {
      let low = index == 0 ? 0 : Self.bounds[min(index, Self.bounds.count) - 1]
      let high = index < Self.bounds.count ? min(Self.bounds[index], maxMicroseconds) : maxMicroseconds
      if seen + Double(inBucket) >= wanted {
        let part = max(0, wanted - seen) / Double(inBucket)
        return (Double(low) + Double(max(0, high - low)) * part) / 1000
      }
      seen += Double(inBucket)
    }
    return Double(maxMicroseconds) / 1000
  }
}

/// One metric with all its series, as monitoring systems know it.
package struct MetricFamily: Hashable, Sendable {
  package enum Kind: String, Sendable { case counter, gauge, histogram }

  /// A number that is written exactly.
  package enum Value: Hashable, Sendable {
    case integer(Int64)
    /// So many billionths.
    case nano(Int64)

    /// So many millionths.
    package static func micro(_ micro: Int64) -> Value {
      let (nano, overflow) = micro.multipliedReportingOverflow(by: 1000)
      return .nano(overflow ? .max : nano)
    }
  }

  package struct Label: Hashable, Sendable {
    package var name: String
    package var value: String

    package init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  package struct Sample: Hashable, Sendable {
    /// What stands behind the name of the metric: of a histogram `_bucket`, `_sum` or `_count`.
    package var suffix: String
    package var labels: [Label]
    package var value: Value

    package init(_ labels: [Label], _ value: Value, suffix: String = "") {
      self.suffix = suffix
      self.labels = labels
      self.value = value
    }
  }

  package var name: String
  package var kind: Kind
  /// One sentence.
  package var help: String
  package var samples: [Sample]

  package init(_ name: String, _ kind: Kind, _ help: String, samples: [Sample] = []) {
    self.name = name
    self.kind = kind
    self.help = help
    self.samples = samples
  }

  /// Adds one histogram.
  /// - Parameters:
  ///   - bounds: upper ends of the buckets in microseconds; the last bucket has none.
  ///   - counts: how many there were in each bucket: one more than there are bounds.
  package mutating func add(_ labels: [Label], bounds: [Int64], counts: [Int64], sumMicroseconds: Int64) {
    var sum: Int64 = 0
    for (index, count) in counts.enumerated() {
      sum &+= count
      let end = index < bounds.count ? PrometheusText.number(.micro(bounds[index])) : "+Inf"
      samples.append(Sample(labels + [Label("le", end)], .integer(sum), suffix: "_bucket"))
    }
    samples.append(Sample(labels, .micro(sumMicroseconds), suffix: "_sum"))
    samples.append(Sample(labels, .integer(sum), suffix: "_count"))
  }
}

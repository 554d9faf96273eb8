/// That a run was taken for stuck.
package struct ReasoningTrip: Hashable, Sendable, CustomStringConvertible {
  package enum Limit: String, Sendable, CaseIterable {
    case calls
    case repeats
    case toolLoops = "tool-loops"
  }

  package var limit: Limit
  /// What the call would have made of it.
  package var count: Int
  /// What is allowed.
  package var bound: Int

  package init(limit: Limit, count: Int, bound: Int) {
    self.limit = limit
    self.count = count
    self.bound = bound
  }

  /// A sentence without its full stop.
  package var description: String {
    switch limit {
    case .calls: "this would be call \(count) of models in one run, and \(bound) are allowed"
    case .repeats: "nearly the same prompt came \(count) times again, and \(bound) are allowed"
    case .toolLoops: "the model called the same tools \(count) times again in a row, and \(bound) are allowed"
    }
  }
}

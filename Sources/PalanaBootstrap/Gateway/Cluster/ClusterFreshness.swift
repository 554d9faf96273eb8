import PalanaCore

/// Whether what a gateway knows of its cluster may still be acted on. Pure; moments are those of one monotonic clock.
///
/// It may when every collection was read once to its end, no watch has failed for ``patience`` without a break, and the lease was
/// renewed within ``patience``.
struct ClusterFreshness: Sendable {
  private struct Failure {
    var since: Duration
    var last: Duration
    var error: PalanaError
  }

  let patience: Duration
  private var missing: Set<String>
  private var failures: [String: Failure] = [:]
  private var renewed: Duration?
  private var leaseError: PalanaError?

  /// - Parameter collections: everything that has to be read.
  init(patience: Duration, collections: [String]) {
    self.patience = patience
    missing = Set(collections)
  }

  /// Whether every collection was read once to its end.
  var isSynced: Bool { missing.isEmpty }

  mutating func synced(_ collection: String) {
    missing.remove(collection)
    failures[collection] = nil
  }

  /// A watch told something.
  mutating func heard(_ collection: String) { failures[collection] = nil }

  mutating func failed(_ collection: String, _ error: PalanaError, now: Duration) {
    var failure = failures[collection] ?? Failure(since: now, last: now, error: error)
    // One that was not heard of again for so long had been got over: a quiet collection says nothing of that.
    if now - failure.last >= patience { failure.since = now }
    failure.last = now
    failure.error = error
    failures[collection] = failure
  }

  /// The lease says so as of `moment`.
  mutating func renewed(at moment: Duration) {
    renewed = moment
    leaseError = nil
  }

  mutating func renewalFailed(_ error: PalanaError) { leaseError = error }

  /// Why nothing may be allowed; nil when it may.
  func problem(now: Duration) -> PalanaError? {
    if let first = missing.min() {
      let why = failures[first].map { ": \($0.error.message)" } ?? ""
      return PalanaError(.unreachable, "\(first) have not been read yet\(why)")
    }
    if let (name, failure) = failures.min(by: { $0.key < $1.key }, where: { $0.value.last - $0.value.since >= patience }) {
      return PalanaError(.unreachable, "\(name) cannot be watched: \(failure.error.message)")
    }
    guard let renewed else {
      return PalanaError(.unreachable, "the lease was not written yet\(leaseError.map { ": \($0.message)" } ?? "")")
    }
    guard now - renewed < patience else {
      return PalanaError(.unreachable, "the lease could not be renewed\(leaseError.map { ": \($0.message)" } ?? "")")
    }
    return nil
  }
}

extension Sequence {
  fileprivate func min(by isLess: (Element, Element) -> Bool, where isMeant: (Element) -> Bool) -> Element? {
    filter(isMeant).min(by: isLess)
  }
}

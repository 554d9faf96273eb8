import Synchronization

/// Remembers what guardrails answered, for as long as each answer said that it holds. Bounded; safe to share.
package final class GuardrailCache: Sendable {
  private struct Entry {
    let versions: [String]
    let answers: [GuardrailAnswer]
    let expires: Duration
  }

  private let limit: Int
  private let clock: MonotonicClock
  private let entries = Mutex<[EgressRequest: Entry]>([:])

  /// - Parameters:
  ///   - limit: the most answers in memory.
  ///   - clock: what lives are measured with.
  package init(limit: Int = 4096, clock: MonotonicClock = .system) {
    self.limit = max(limit, 1)
    self.clock = clock
  }

  /// How many answers are in memory.
  package var count: Int { entries.withLock { $0.count } }

  /// The answers with the life that is left of each: what is derived from them must not outlive them.
  func answers(_ request: EgressRequest, versions: [String]) -> [GuardrailAnswer]? {
    let now = clock.now()
    return entries.withLock { entries in
      guard let entry = entries[request] else { return nil }
      guard entry.versions == versions, now < entry.expires else {
        entries[request] = nil
        return nil
      }
      let left = entry.expires - now
      return entry.answers.map { GuardrailAnswer($0.verdict, validFor: min($0.validFor, left)) }
    }
  }

  func store(_ request: EgressRequest, versions: [String], _ answers: [GuardrailAnswer]) {
    guard let life = answers.map(\.validFor).min(), life > .zero else { return }
    let now = clock.now()
    entries.withLock { entries in
      if entries.count >= limit, entries[request] == nil {
        // Expired ones first. If that frees little, a full cache starts afresh: simple, bounded, it costs one question
        // each, and a flood of different requests does not sweep the whole cache for every one of them.
        entries = entries.filter { now < $0.value.expires }
        if entries.count > limit / 4 * 3 { entries.removeAll(keepingCapacity: true) }
      }
      entries[request] = Entry(versions: versions, answers: answers, expires: now + life)
    }
  }
}

import DequeModule

/// What waits, what runs and what comes later, as a pure value: time goes in with every call.
///
/// A key is never run twice at the same time, and never waits twice. One that is added while it runs is run once more after that.
struct WorkState<Key: Hashable & Sendable>: Sendable {
  struct Limits: Sendable {
    /// The pause after a first failure; it doubles with each one that follows.
    var shortest = Duration.milliseconds(100)
    var longest = Duration.seconds(300)
    /// Second tries of all keys together in a second, and how many may be saved up.
    var retriesPerSecond = 50.0
    var retryBurst = 200.0
  }

  typealias Instant = ContinuousClock.Instant

  private let limits: Limits
  private var ready: Deque<Key> = []
  private var waiting: Set<Key> = []
  private var running: Set<Key> = []
  /// Added while it ran.
  private var again: Set<Key> = []
  private var later: [Key: Instant] = [:]
  private var failures: [Key: Int] = [:]
  private var tokens: Double
  private var refilled: Instant?

  init(limits: Limits = Limits()) {
    self.limits = limits
    tokens = limits.retryBurst
  }

  var depth: Int { ready.count }
  var runningCount: Int { running.count }
  var laterCount: Int { later.count }
  var isIdle: Bool { ready.isEmpty && running.isEmpty && later.isEmpty }
  /// When the next of those that come later is due.
  var nextDue: Instant? { later.values.min() }

  mutating func add(_ key: Key) {
    later[key] = nil
    if running.contains(key) {
      again.insert(key)
    } else if waiting.insert(key).inserted {
      ready.append(key)
    }
  }

  /// At `moment`, unless it comes earlier anyway.
  mutating func add(_ key: Key, at moment: Instant) {
    guard !waiting.contains(key), !again.contains(key) else { return }
    later[key] = min(later[key] ?? moment, moment)
  }

  /// Moves what is due to what waits.
  mutating func advance(to now: Instant) {
    for (key, moment) in later.filter({ $0.value <= now }).sorted(by: { $0.value < $1.value }) {
      _ = moment
      add(key)
    }
  }

  mutating func take() -> Key? {
    guard let key = ready.popFirst() else { return nil }
    waiting.remove(key)
    running.insert(key)
    return key
  }

  /// It ran to its end.
  mutating func succeeded(_ key: Key) {
    failures[key] = nil
    finish(key)
  }

  /// It did not: it comes again after a pause.
  ///
  /// - Parameter pause: nil: by how often it failed.
  mutating func failed(_ key: Key, pause: Duration? = nil, now: Instant) {
    let count = failures[key, default: 0] + 1
    failures[key] = count
    let own = pause ?? min(limits.shortest * (1 << min(count - 1, 20)), limits.longest)
    let moment = now + max(own, throttle(now))
    finish(key)
    add(key, at: moment)
  }

  private mutating func finish(_ key: Key) {
    running.remove(key)
    if again.remove(key) != nil { add(key) }
  }

  /// One token of the common allowance; what is missing is waited for.
  private mutating func throttle(_ now: Instant) -> Duration {
    let passed = refilled.map { ($0.duration(to: now)) / .seconds(1) } ?? 0
    refilled = now
    tokens = min(limits.retryBurst, tokens + max(passed, 0) * limits.retriesPerSecond) - 1
    return tokens >= 0 ? .zero : .seconds(-tokens / limits.retriesPerSecond)
  }
}

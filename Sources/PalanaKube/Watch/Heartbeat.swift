import Synchronization

/// When something was last well, seen from several tasks.
final class Heartbeat: Sendable {
  private let moment: Mutex<ContinuousClock.Instant>

  init(_ moment: ContinuousClock.Instant = .now) { self.moment = Mutex(moment) }

  var last: ContinuousClock.Instant { moment.withLock { $0 } }
  func beat(_ now: ContinuousClock.Instant = .now) { moment.withLock { $0 = max($0, now) } }
}

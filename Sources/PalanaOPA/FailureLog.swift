import Logging
import PalanaPolicy
import Synchronization

/// Writes that guardrails fail, at most once a second: an agent can make a broken policy fail as fast as it can ask.
/// Every denial is in the audit trail all the same.
final class FailureLog: Sendable {
  private struct State {
    var last: Duration?
    var skipped = 0
  }

  private static let interval = Duration.seconds(1)
  private let clock: MonotonicClock
  private let state = Mutex(State())

  init(clock: MonotonicClock = .system) { self.clock = clock }

  func log(_ logger: Logger, _ message: Logger.Message, _ metadata: Logger.Metadata) {
    let now = clock.now()
    let skipped: Int? = state.withLock { state in
      if let last = state.last, now - last < Self.interval {
        state.skipped += 1
        return nil
      }
      defer { state = State(last: now) }
      return state.skipped
    }
    guard let skipped else { return }
    logger.error(message, metadata: metadata.merging(["log.skipped": "\(skipped)"]) { old, _ in old })
  }
}

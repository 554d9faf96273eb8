import NIOCore
import Synchronization

/// What one agent uses of the gateway at this moment, over all event loops. Each of its connections holds it.
final class AgentMeter: Sendable {
  private let requests = Atomic<Int>(0)
  /// Nanoseconds on the clock of `NIODeadline`.
  private let active = Atomic<UInt64>(0)
  private let connecting = Pace()
  private let bytes = Pace()
  private let refusals = Pace()

  /// Counts one more request if the agent may have it.
  /// - Parameter limit: zero: none.
  func beginRequest(limit: Int) -> Bool {
    let count = requests.wrappingAdd(1, ordering: .relaxed).newValue
    guard limit == 0 || count <= limit else {
      requests.wrappingSubtract(1, ordering: .relaxed)
      return false
    }
    return true
  }

  func endRequest() { requests.wrappingSubtract(1, ordering: .relaxed) }

  /// Notes that the agent did something, or that something came for it. An earlier moment than the one that is known changes nothing.
  func touch(_ now: NIODeadline) { _ = active.max(now.uptimeNanoseconds, ordering: .relaxed) }

  /// When that was last; nil: never.
  var lastActive: NIODeadline? {
    let last = active.load(ordering: .relaxed)
    return last == 0 ? nil : .uptimeNanoseconds(last)
  }

  /// Requests under way.
  var requestsInFlight: Int { requests.load(ordering: .relaxed) }

  /// Whether one more new connection keeps the rate. Five seconds' worth may come at once: a pool that fills, a browser page.
  func mayConnect(perSecond: Int, now: NIODeadline) -> Bool {
    connecting.takeIfKept(1, perSecond: perSecond, burst: 5, now: now)
  }

  /// Notes bytes that were read, of either direction.
  /// - Returns: how long to read nothing more.
  func read(_ count: Int, perSecond: Int, now: NIODeadline) -> TimeAmount {
    bytes.take(count, perSecond: perSecond, now: now)
  }

  /// Notes a refusal.
  /// - Returns: how long its answer has to wait. Ten seconds' worth need not.
  func refuse(perSecond: Int, now: NIODeadline) -> TimeAmount {
    refusals.take(1, perSecond: perSecond, burst: 10, now: now)
  }
}

import NIOCore
import Synchronization

/// A rate with a burst, over all event loops: the generic cell rate algorithm, whose whole state is one moment, so no lock is
/// needed (ITU-T I.371 calls the moment the theoretical arrival time).
struct Pace: ~Copyable, Sendable {
  /// Nanoseconds on the clock of `NIODeadline` up to which the allowance is used.
  private let used = Atomic<UInt64>(0)

  /// Takes `units` of an allowance of `perSecond` units that may be saved up for `burst` seconds.
  ///
  /// - Returns: how long to wait until the rate is kept again; zero when it is kept.
  func take(_ units: Int, perSecond: Int, burst: UInt64 = 1, now: NIODeadline) -> TimeAmount {
    guard perSecond > 0 else { return .zero }
    let saved = burst &* 1_000_000_000
    let cost = UInt64(clamping: units).multipliedReportingOverflow(by: 1_000_000_000)
    let step = (cost.overflow ? UInt64(Int64.max) : cost.partialValue) / UInt64(perSecond)
    var before = used.load(ordering: .relaxed)
    while true {
      // No more than an hour ahead, whatever was taken at once.
      let after = min(max(before, now.uptimeNanoseconds) &+ step, now.uptimeNanoseconds &+ saved &+ 3_600_000_000_000)
      let (exchanged, original) = used.weakCompareExchange(expected: before, desired: after, ordering: .relaxed)
      if exchanged {
        let limit = now.uptimeNanoseconds &+ saved
        return after > limit ? .nanoseconds(Int64(clamping: after - limit)) : .zero
      }
      before = original
    }
  }

  /// Takes `units` only if the rate is kept with them.
  func takeIfKept(_ units: Int, perSecond: Int, burst: UInt64 = 1, now: NIODeadline) -> Bool {
    guard perSecond > 0 else { return true }
    let step = UInt64(clamping: units) &* 1_000_000_000 / UInt64(perSecond)
    let limit = now.uptimeNanoseconds &+ burst &* 1_000_000_000
    var before = used.load(ordering: .relaxed)
    while true {
      let after = max(before, now.uptimeNanoseconds) &+ step
      guard after <= limit else { return false }
      let (exchanged, original) = used.weakCompareExchange(expected: before, desired: after, ordering: .relaxed)
      if exchanged { return true }
      before = original
    }
  }
}

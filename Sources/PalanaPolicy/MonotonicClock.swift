/// Where durations are measured from: never jumps back, unlike the time of day. A value, so that tests pass their own.
package struct MonotonicClock: Sendable {
  private let read: @Sendable () -> Duration

  /// - Parameter read: the time since any fixed moment.
  package init(_ read: @escaping @Sendable () -> Duration) { self.read = read }

  /// Time since the fixed moment of this clock.
  package func now() -> Duration { read() }

  /// The clock of this machine.
  package static let system: MonotonicClock = {
    let start = ContinuousClock.now
    return MonotonicClock { ContinuousClock.now - start }
  }()
}

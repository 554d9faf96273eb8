import NIOCore
import PalanaCore
import Testing

@testable import PalanaEgress

@Suite struct PaceTests {
  private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

  /// The macros of the tests copy what they look at, and a pace cannot be copied.
  private final class Held: Sendable {
    private let pace = Pace()
    func take(_ units: Int, perSecond: Int, burst: UInt64 = 1, now: NIODeadline) -> TimeAmount {
      pace.take(units, perSecond: perSecond, burst: burst, now: now)
    }
    func takeIfKept(_ units: Int, perSecond: Int, burst: UInt64 = 1, now: NIODeadline) -> Bool {
      pace.takeIfKept(units, perSecond: perSecond, burst: burst, now: now)
    }
  }

  /// What was saved up is free; then every unit has its time.
  @Test(arguments: [(10, UInt64(1), 10), (1, 5, 5), (100, 10, 1000), (1_000_000, 1, 1_000_000)])
  func theBurstIsFreeAndNothingMore(_ perSecond: Int, _ burst: UInt64, _ free: Int) {
    let pace = Held()
    #expect(pace.take(free, perSecond: perSecond, burst: burst, now: Self.start) == .zero)
    let wait = pace.take(1, perSecond: perSecond, burst: burst, now: Self.start)
    #expect(wait == .nanoseconds(1_000_000_000 / Int64(perSecond)))
    // A second later that second's worth is free again, less the one that was taken too early.
    let later = Self.start + .seconds(1)
    #expect(pace.take(perSecond - 1, perSecond: perSecond, burst: burst, now: later) == .zero)
    #expect(pace.take(1, perSecond: perSecond, burst: burst, now: later) > .zero)
  }

  @Test func whatIsNotTakenIsNotSavedBeyondTheBurst() {
    let pace = Held()
    #expect(pace.take(10, perSecond: 10, now: Self.start) == .zero)
    let muchLater = Self.start + .hours(5)
    #expect(pace.take(10, perSecond: 10, now: muchLater) == .zero)
    #expect(pace.take(1, perSecond: 10, now: muchLater) > .zero)
  }

  /// A refusal costs nothing: who is turned away may come as soon as the rate is kept.
  @Test func takingOnlyWhatIsKept() {
    let pace = Held()
    for _ in 0..<10 { #expect(pace.takeIfKept(1, perSecond: 2, burst: 5, now: Self.start)) }
    for _ in 0..<1000 { #expect(!pace.takeIfKept(1, perSecond: 2, burst: 5, now: Self.start)) }
    #expect(pace.takeIfKept(1, perSecond: 2, burst: 5, now: Self.start + .milliseconds(500)))
    #expect(!pace.takeIfKept(1, perSecond: 2, burst: 5, now: Self.start + .milliseconds(500)))
  }

  @Test func zeroIsNoLimit() {
    let pace = Held()
    #expect(pace.take(.max, perSecond: 0, now: Self.start) == .zero)
    #expect(pace.takeIfKept(.max, perSecond: 0, now: Self.start))
  }

  /// Sizes come from agents: none of them may trap, and none blocks for ever.
  @Test(arguments: [0, 1, 1 << 32, Int.max / 2, .max, -1, .min])
  func anyNumberIsTaken(_ units: Int) {
    let pace = Held()
    for _ in 0..<3 { #expect(pace.take(units, perSecond: 1, now: Self.start) <= .hours(1)) }
    _ = pace.takeIfKept(units, perSecond: 1, now: Self.start)
  }

  /// Many threads take together exactly what one could.
  @Test func nothingIsTakenTwice() async {
    let meter = AgentMeter()
    let taken = await withTaskGroup(of: Int.self) { group in
      for _ in 0..<8 {
        group.addTask { (0..<1000).count { _ in meter.mayConnect(perSecond: 100, now: Self.start) } }
      }
      return await group.reduce(0, +)
    }
    #expect(taken == 500)
  }
}

import PalanaCore
import Testing

@testable import PalanaKube

/// The way of a watch, step by step.
@Suite struct WatchMachineTests {
  private let broken = KubeError(.unreachable, "broken")
  private let gone = KubeError(.gone, status: 410, "gone")

  @Test func aListThenAWatchFromItsVersion() {
    var machine = WatchMachine()
    #expect(machine.next(spread: 1) == .list(after: nil))
    #expect(machine.listed(version: "5", next: "page2") == .init(isFirst: true, isLast: false))
    #expect(machine.next(spread: 1) == .list(after: "page2"))
    #expect(machine.listed(version: "5", next: nil) == .init(isFirst: false, isLast: true))
    #expect(machine.next(spread: 1) == .watch(version: "5"))
    machine.seen(version: "9")
    machine.ended(wasShort: false)
    #expect(machine.next(spread: 1) == .watch(version: "9"))
  }

  @Test func aBrokenWatchWaitsAndGoesOnWhereItWas() {
    var machine = WatchMachine()
    _ = machine.listed(version: "5", next: nil)
    machine.seen(version: "7")
    machine.failed(broken)
    #expect(machine.next(spread: 1) == .wait(.milliseconds(200)))
    #expect(machine.next(spread: 1) == .watch(version: "7"))
    machine.failed(broken)
    #expect(machine.next(spread: 1) == .wait(.milliseconds(400)))
    machine.failed(broken)
    // Half of the time at least.
    #expect(machine.next(spread: 0) == .wait(.milliseconds(400)))
    _ = machine.next(spread: 1)
    machine.seen(version: "8")
    machine.failed(broken)
    #expect(machine.next(spread: 1) == .wait(.milliseconds(200)))
  }

  @Test func whatIsGoneIsListedAnewAtOnceButNotInAStorm() {
    var machine = WatchMachine()
    _ = machine.listed(version: "5", next: nil)
    machine.failed(gone)
    #expect(machine.next(spread: 1) == .list(after: nil))
    machine.failed(gone)
    #expect(machine.next(spread: 1) == .wait(.milliseconds(400)))
    #expect(machine.next(spread: 1) == .list(after: nil))
  }

  @Test func aListThatBreaksBeginsAnew() {
    var machine = WatchMachine()
    _ = machine.listed(version: "5", next: "page2")
    machine.failed(broken)
    #expect(machine.next(spread: 1) == .wait(.milliseconds(200)))
    #expect(machine.next(spread: 1) == .list(after: nil))
    #expect(machine.listed(version: "6", next: nil) == .init(isFirst: true, isLast: true))
  }

  @Test func watchesThatEndAtOnceAreSlowedDown() {
    var machine = WatchMachine()
    _ = machine.listed(version: "5", next: nil)
    machine.ended(wasShort: true)
    #expect(machine.next(spread: 1) == .wait(.milliseconds(200)))
    machine.ended(wasShort: true)
    #expect(machine.next(spread: 1) == .wait(.milliseconds(400)))
    #expect(machine.next(spread: 1) == .watch(version: "5"))
  }

  @Test func pausesAreBounded() {
    #expect(WatchMachine.pause(after: 1000, spread: 1) == .seconds(30))
    #expect(WatchMachine.pause(after: 0, spread: -4) == .milliseconds(100))
  }

  @Test func aVersionIsKeptWhenAnEventHasNone() {
    var machine = WatchMachine()
    _ = machine.listed(version: "5", next: nil)
    machine.seen(version: "")
    #expect(machine.next(spread: 1) == .watch(version: "5"))
  }
}

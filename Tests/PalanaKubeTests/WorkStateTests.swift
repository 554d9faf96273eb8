import Testing

@testable import PalanaKube

@Suite struct WorkStateTests {
  private let start = ContinuousClock.now

  @Test func aKeyWaitsOnceAndRunsOnceAtATime() {
    var state = WorkState<String>()
    state.add("a")
    state.add("a")
    state.add("b")
    #expect(state.depth == 2)
    #expect(state.take() == "a")
    state.add("a")
    state.add("a")
    #expect(state.take() == "b")
    // It still runs.
    #expect(state.take() == nil)
    state.succeeded("a")
    #expect(state.take() == "a")
    state.succeeded("a")
    state.succeeded("b")
    #expect(state.isIdle)
  }

  @Test func failuresComeBackLaterAndLater() {
    var state = WorkState<String>()
    var now = start
    state.add("a")
    for pause in [100, 200, 400, 800] {
      #expect(state.take() == "a")
      state.failed("a", now: now)
      #expect(state.nextDue == now + .milliseconds(pause))
      state.advance(to: now + .milliseconds(pause - 1))
      #expect(state.depth == 0)
      now += .milliseconds(pause)
      state.advance(to: now)
    }
    #expect(state.take() == "a")
    state.succeeded("a")
    state.add("a")
    _ = state.take()
    state.failed("a", now: now)
    #expect(state.nextDue == now + .milliseconds(100))
  }

  @Test func whatIsAddedMeanwhileComesAtOnce() {
    var state = WorkState<String>()
    state.add("a")
    _ = state.take()
    state.add("a")
    state.failed("a", now: start)
    #expect(state.take() == "a")
    #expect(state.nextDue == nil)
  }

  @Test func theEarlierOfTwoMomentsCounts() {
    var state = WorkState<String>()
    state.add("a", at: start + .seconds(5))
    state.add("a", at: start + .seconds(2))
    state.add("a", at: start + .seconds(9))
    #expect(state.nextDue == start + .seconds(2))
    state.add("a")
    #expect(state.nextDue == nil && state.depth == 1)
  }

  @Test func retriesOfAllTogetherAreBounded() {
    var limits = WorkState<Int>.Limits()
    limits.retriesPerSecond = 10
    limits.retryBurst = 2
    var state = WorkState<Int>(limits: limits)
    for key in 0..<5 {
      state.add(key)
      _ = state.take()
      state.failed(key, now: start)
    }
    state.advance(to: start + .milliseconds(100))
    #expect(state.depth == 3)
    state.advance(to: start + .milliseconds(299))
    #expect(state.depth == 4)
    state.advance(to: start + .milliseconds(300))
    #expect(state.depth == 5)
  }

  @Test func theServersPauseCounts() {
    var state = WorkState<String>()
    state.add("a")
    _ = state.take()
    state.failed("a", pause: .seconds(7), now: start)
    #expect(state.nextDue == start + .seconds(7))
  }
}

import NIOCore
import Testing

@testable import PalanaLLM

@Suite struct UpstreamBoardTests {
  private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

  private static func many(_ board: inout UpstreamBoard, _ count: Int, now: NIODeadline = start) -> [Int] {
    (0..<count).compactMap { _ in board.next(now: now) }
  }

  /// Parts as the weights say, and mixed rather than one after the other.
  @Test func sharesByWeight() {
    var board = UpstreamBoard(weights: [3, 1, 0])
    let chosen = Self.many(&board, 8)
    #expect(chosen.count { $0 == 0 } == 6)
    #expect(chosen.count { $0 == 1 } == 2)
    #expect(chosen != [0, 0, 0, 0, 0, 0, 1, 1])
  }

  @Test func oneWithoutAWeightStandsIn() {
    var board = UpstreamBoard(weights: [1, 0])
    let value1 = Self.many(&board, 3)
    #expect(value1 == [0, 0, 0])
    board.failed(0, now: Self.start)
    let value2 = Self.many(&board, 2)
    #expect(value2 == [1, 1])
    board.worked(0)
    let value3 = board.next(now: Self.start)
    #expect(value3 == 0)
  }

  /// Each failure leaves it out twice as long, up to a bound; one answer makes it as good as new.
  @Test func isLeftOutForAWhile() {
    var board = UpstreamBoard(weights: [1, 1])
    var out: [Int64] = []
    for _ in 0..<9 {
      board.failed(0, now: Self.start)
      var wait: Int64 = 0
      while !Self.many(&board, 4, now: Self.start + .milliseconds(wait)).contains(0) { wait += 500 }
      out.append(wait)
    }
    #expect(out == [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000])
    board.worked(0)
    let value4 = Self.many(&board, 2)
    #expect(value4.contains(0))
  }

  @Test func theUpstreamsOwnPauseCounts() {
    var board = UpstreamBoard(weights: [1, 1])
    board.failed(0, now: Self.start, pause: .seconds(7))
    let value5 = Self.many(&board, 4, now: Self.start + .milliseconds(6_999))
    #expect(!value5.contains(0))
    let value6 = Self.many(&board, 4, now: Self.start + .seconds(7))
    #expect(value6.contains(0))
    board.failed(0, now: Self.start, pause: .seconds(7_200))
    let value7 = Self.many(&board, 4, now: Self.start + .seconds(30))
    #expect(value7.contains(0))
  }

  /// What was tried comes again only when nothing else is left, and what is due first when nothing works.
  @Test func doesNotAskTheSameOneTwice() {
    var board = UpstreamBoard(weights: [1, 1])
    let value8 = board.next(now: Self.start, tried: [0])
    #expect(value8 == 1)
    board.failed(1, now: Self.start)
    let value9 = board.next(now: Self.start, tried: [0])
    #expect(value9 == 1)
    let value10 = board.next(now: Self.start, tried: [0, 1])
    #expect(value10 == 0)
    board.failed(0, now: Self.start + .milliseconds(100))
    let value11 = board.next(now: Self.start + .milliseconds(200))
    #expect(value11 == 1)
    var none = UpstreamBoard(weights: [])
    let value12 = none.next(now: Self.start)
    #expect(value12 == nil)
  }
}

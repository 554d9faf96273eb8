import Foundation
import Testing

@testable import PalanaStore

@Suite struct BackgroundTurnTests {
  private struct Failure: Error {}

  /// The weights before, within and after, on a thread of its own.
  @Test func aTurnStandsBackAndTheThreadDoesNot() async {
    let seen = await withCheckedContinuation { continuation in
      Thread.detachNewThread {
        let before = BackgroundTurn.current
        let within = BackgroundTurn.run { BackgroundTurn.current }
        try? BackgroundTurn.run { throw Failure() }
        continuation.resume(returning: [before, within, BackgroundTurn.current])
      }
    }
    // Who may not take the weight back does not give it away.
    let lower = BackgroundTurn.mayReturn ? BackgroundTurn.base + BackgroundTurn.niceness : seen[0]
    #expect(seen == [seen[0], lower, seen[0]])
  }
}

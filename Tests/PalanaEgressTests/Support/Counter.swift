import Synchronization

/// How far a script has come.
final class Counter: Sendable {
  private let state = Mutex(0)

  var value: Int { state.withLock { $0 } }
  func set(_ value: Int) { state.withLock { $0 = value } }
  func add(_ value: Int) { state.withLock { $0 += value } }

  /// Returns once the count has begun and stands still for many turns of the gateway's event loops.
  func stalls(_ fixture: GatewayFixture, turns: Int = 300) async -> Bool {
    var last = 0
    var same = 0
    return await fixture.eventually {
      let now = value
      same = now == last && now > 0 ? same + 1 : 0
      last = now
      return same >= turns
    }
  }
}

import PalanaCore
import Synchronization

@testable import PalanaSecrets

/// A token endpoint in memory that remembers what it was asked and answers what it is told to.
final class FakeEndpoint: TokenTransport {
  static var longestAnswer: Int { 65_536 }

  typealias Answer = @Sendable (Int) -> Result<(status: Int, body: String), PalanaError>

  private struct State {
    var requests: [TokenRequest] = []
    var answer: Answer = { .success((200, #"{"access_token":"token-\#($0)","token_type":"Bearer","expires_in":3600}"#)) }
    var isHeld = false
    var held: [CheckedContinuation<Void, Never>] = []
    var observers: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
  }
  private let state = Mutex(State())

  var requests: [TokenRequest] { state.withLock { $0.requests } }

  func answers(_ answer: @escaping Answer) { state.withLock { $0.answer = answer } }
  func answers(_ status: Int, _ body: String) { answers { _ in .success((status, body)) } }
  func fails(_ error: PalanaError) { answers { _ in .failure(error) } }

  /// Requests wait until ``release()``.
  func hold() { state.withLock { $0.isHeld = true } }

  func release() {
    let held = state.withLock { state in
      state.isHeld = false
      defer { state.held = [] }
      return state.held
    }
    for waiter in held { waiter.resume() }
  }

  /// Returns when so many requests have come in.
  func received(_ count: Int) async {
    await withCheckedContinuation { continuation in
      let isDone = state.withLock { state in
        if state.requests.count >= count { return true }
        state.observers.append((count, continuation))
        return false
      }
      if isDone { continuation.resume() }
    }
  }

  func send(_ request: TokenRequest, for agent: AgentID) async throws(PalanaError) -> TokenAnswer {
    let (number, answer, woken) = state.withLock { state in
      state.requests.append(request)
      let count = state.requests.count
      let woken = state.observers.filter { $0.count <= count }
      state.observers.removeAll { $0.count <= count }
      return (count, state.answer, woken.map(\.continuation))
    }
    for observer in woken { observer.resume() }
    await withCheckedContinuation { continuation in
      let passes = state.withLock { state in
        if !state.isHeld { return true }
        state.held.append(continuation)
        return false
      }
      if passes { continuation.resume() }
    }
    let (status, body) = try answer(number).get()
    return TokenAnswer(status: status, body: Redacted(Array(body.utf8)))
  }
}

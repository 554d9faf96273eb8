import PalanaCore
import PalanaEgress
import Synchronization

/// What discovery tells Envoy: the newest listener, with the chains that it was made of, and who waits for Envoy to have taken it.
final class DiscoveryBoard: Sendable {
  struct Picture: Sendable {
    var version: UInt64
    var chains: [AgentChains.Chain]
  }

  private enum Link {
    /// Envoy has been started and is awaited, or its stream has broken off and its end is.
    case awaited
    /// It is connected, and this is the newest version that it has taken.
    case connected(UInt64)
    /// It has ended, or does not answer.
    case down
  }

  private struct State {
    var chains = AgentChains()
    var version: UInt64 = 1
    var link = Link.awaited
    var waiting: [(version: UInt64, continuation: CheckedContinuation<Bool, Never>)] = []
    var wake: AsyncStream<Void>.Continuation?
    /// The stream that is in use, by number. One of an earlier Envoy may end later than the next one begins.
    var stream: UInt64 = 0
  }

  private let state = Mutex(State())
  private let connectionLimit: Int

  init(connectionLimit: Int) { self.connectionLimit = connectionLimit }

  func agent(of ticket: String) -> AgentID? { state.withLock { $0.chains.agent(of: ticket) } }

  var picture: Picture { state.withLock { Picture(version: $0.version, chains: $0.chains.sorted) } }

  /// Whether Envoy has taken the newest listener.
  var isInForce: Bool {
    state.withLock { if case .connected(let taken) = $0.link { taken >= $0.version } else { false } }
  }

  // MARK: Changes

  func update(_ agents: [EgressAgent], cut: Set<AgentID>) { change { $0.update(agents, cut: cut, limit: connectionLimit) } }
  func renew(_ agents: Set<AgentID>) { change { $0.renew(agents) } }

  private func change(_ body: (inout AgentChains) -> Bool) {
    state.withLock { state in
      guard body(&state.chains) else { return }
      state.version += 1
      state.wake?.yield()
    }
  }

  /// Returns when Envoy has taken what is newest now.
  ///
  /// - Returns: false when it refused it or is not there: it will not serve an agent before it has the newest.
  func settled() async -> Bool {
    await withCheckedContinuation { continuation in
      let answer = state.withLock { state -> Bool? in
        switch state.link {
        case .down: return false
        case .connected(let taken) where taken >= state.version: return true
        case .connected, .awaited:
          state.waiting.append((state.version, continuation))
          return nil
        }
      }
      if let answer { continuation.resume(returning: answer) }
    }
  }

  /// Those who wait have waited long enough.
  func giveUp() { release { _ in true } }

  // MARK: Envoy's side

  /// Envoy is connected.
  /// - Parameter wake: told when there is something newer.
  /// - Returns: the number of the stream, for ``lost(_:)``.
  func connected(_ wake: AsyncStream<Void>.Continuation) -> UInt64 {
    state.withLock { state in
      state.link = .connected(0)
      state.wake = wake
      state.stream += 1
      return state.stream
    }
  }

  /// A stream to Envoy is over. Who waits goes on waiting until Envoy itself is.
  /// - Returns: whether it was the one in use: an Envoy that lives on would not hear of a kill.
  func lost(_ stream: UInt64) -> Bool {
    state.withLock { state in
      guard case .connected = state.link, state.stream == stream else { return false }
      state.link = .awaited
      state.wake = nil
      return true
    }
  }

  func acknowledged(_ version: UInt64, accepted: Bool) {
    state.withLock { state in
      // What was not sent cannot have been taken.
      if accepted, version <= state.version, case .connected(let taken) = state.link {
        state.link = .connected(max(taken, version))
      }
    }
    release(with: accepted) { $0 <= version }
  }

  /// Envoy has ended.
  func disconnected() {
    state.withLock { state in
      state.link = .down
      state.wake = nil
    }
    release { _ in true }
  }

  private func release(with answer: Bool = false, where isDone: (UInt64) -> Bool) {
    let done = state.withLock { state in
      defer { state.waiting.removeAll { isDone($0.version) } }
      return state.waiting.filter { isDone($0.version) }
    }
    for one in done { one.continuation.resume(returning: answer) }
  }
}

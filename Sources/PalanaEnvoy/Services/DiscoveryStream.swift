import Synchronization

/// What one discovery stream has asked for. Bounded by the names that Envoy may hold.
final class DiscoveryStream: Sendable {
  private struct State {
    var wantsListener = false
    var wanted: [String] = []
    /// Names that Envoy holds, the oldest first.
    var held: [(name: String, since: ContinuousClock.Instant)] = []
    var nonce: UInt64 = 0
  }

  private let state = Mutex(State())
  private let limit: Int

  init(secretLimit: Int) { limit = max(1, secretLimit) }

  var wantsListener: Bool { state.withLock { $0.wantsListener } }
  func wantListener() { state.withLock { $0.wantsListener = true } }

  func want(_ names: [String], noLonger gone: [String]) {
    state.withLock { state in
      if !gone.isEmpty {
        let gone = Set(gone)
        state.held.removeAll { gone.contains($0.name) }
        state.wanted.removeAll { gone.contains($0) }
      }
      for name in names where state.wanted.count < limit { state.wanted.append(name) }
    }
  }

  func takeWanted() -> [String] {
    state.withLock { state in
      defer { state.wanted = [] }
      return state.wanted
    }
  }

  /// Envoy gets a certificate for this name.
  func hold(_ name: String) {
    state.withLock { state in
      state.held.removeAll { $0.name == name }
      state.held.append((name, .now))
    }
  }

  func makeRoom(besides name: String) -> [String] {
    state.withLock { state in
      guard state.held.count > limit else { return [] }
      let old = state.held.map(\.name).filter { $0 != name }.prefix(state.held.count - limit)
      state.held.removeAll { old.contains($0.name) }
      return Array(old)
    }
  }

  /// Names whose certificates are from before `limit`.
  func takeOld(_ limit: ContinuousClock.Instant) -> [String] {
    state.withLock { state in
      let old = state.held.filter { $0.since < limit }.map(\.name)
      state.held.removeAll { $0.since < limit }
      return old
    }
  }

  func nextNonce() -> String {
    state.withLock { state in
      state.nonce += 1
      return "secret-\(state.nonce)"
    }
  }
}

import PalanaCore
import PalanaSecrets
import Synchronization

/// Values under the test's control: in memory, only by asking, or not at all.
final class FakeSecrets: SecretValueSource {
  struct State {
    /// By the key's name.
    var values: [String: String] = [:]
    var isCached = true
    var isDown = false
    var fetches = 0
    /// Whoever asks waits here.
    var gate: Gate?
  }

  let state = Mutex(State())

  func set(_ key: String, _ value: String?) { state.withLock { $0.values[key] = value } }

  func cachedValue(of ref: SecretRef, revision: Int) -> Redacted<String>? {
    state.withLock { $0.isCached && !$0.isDown ? $0.values[ref.key].map { Redacted($0) } : nil }
  }

  func value(of ref: SecretRef, revision: Int) async throws(PalanaError) -> Redacted<String> {
    if let gate = state.withLock({ $0.gate }) { await gate.pass() }
    let value = state.withLock { state -> Result<String?, PalanaError> in
      state.fetches += 1
      return state.isDown ? .failure(PalanaError(.unreachable, "down")) : .success(state.values[ref.key])
    }
    guard let value = try value.get() else { throw PalanaError(.notFound, "none") }
    return Redacted(value)
  }
}

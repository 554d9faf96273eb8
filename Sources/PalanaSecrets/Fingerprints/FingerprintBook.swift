package import PalanaCore
import Synchronization

/// What the gateway remembers of the secrets of all agents: fingerprints, never values. It is how a value is recognised long after
/// it was dropped from memory.
package final class FingerprintBook: Sendable {
  private struct Known {
    var revision: Int
    /// Tells whether a value is the one that the fingerprint was made of.
    var proof: UInt64
    var length: Int
    var fingerprint: ValueFingerprint
  }

  private struct State {
    /// The secrets to know, by where their values are.
    var wanted: [SecretRef: PlaceholderBinding] = [:]
    var known: [SecretRef: Known] = [:]
    var leaks: LeakGuard?
  }

  package let key = FingerprintKey()
  private let state = Mutex(State())
  private let changes = Atomic<UInt64>(0)

  /// Grows when something was learned or forgotten.
  package var version: UInt64 { changes.load(ordering: .acquiring) }

  /// Secrets whose fingerprint is known.
  package var count: Int { state.withLock { $0.known.count } }

  /// Says which secrets are to be known from now on; what is known of others is forgotten.
  package func adopt(_ bindings: some Sequence<PlaceholderBinding>) {
    var wanted: [SecretRef: PlaceholderBinding] = [:]
    for binding in bindings where !binding.ref.isName {
      wanted[binding.ref] = binding
      // What a token is made with has to be known as well as the token.
      guard let minting = binding.ref.minting else { continue }
      var source = binding
      source.ref = SecretRef(path: binding.ref.path, key: MintRules.secretParameter(of: minting))
      wanted[source.ref] = source
    }
    state.withLock { [wanted] state in
      state.wanted = wanted
      state.known = state.known.filter { wanted[$0.key] != nil }
      state.leaks = nil
    }
    changes.wrappingAdd(1, ordering: .releasing)
  }

  /// Knows one more value, until the next ``adopt(_:)`` that does not name it.
  package func add(_ binding: PlaceholderBinding, _ value: Redacted<String>) {
    state.withLock { $0.wanted[binding.ref] = binding }
    learn(binding, value)
  }

  /// The secrets of which nothing is known in their current revision. A token is learned when it is first put in: nobody asks for one
  /// only to recognise it.
  var missing: [PlaceholderBinding] {
    state.withLock { state in
      state.wanted.values.filter { $0.ref.minting == nil && state.known[$0.ref]?.revision != $0.revision }
    }
  }

  /// Remembers the fingerprint of a value. The one of an older value counts no more.
  package func learn(_ binding: PlaceholderBinding, _ value: Redacted<String>) {
    let proof = key.proof(value)
    let isKnown = state.withLock { state in
      // Every request that carries a value comes by here, nearly always with one that is known: that is one look-up.
      guard let known = state.known[binding.ref] else { return state.wanted[binding.ref] == nil }
      guard known.proof == proof else { return false }
      if known.revision != binding.revision { state.known[binding.ref]?.revision = binding.revision }
      return true
    }
    guard !isKnown else { return }
    let bytes = Array(value.reveal().utf8)
    let fingerprint = ValueFingerprint(bytes, key: key)
    state.withLock { state in
      guard state.wanted[binding.ref] != nil else { return }
      state.known[binding.ref] = Known(
        revision: binding.revision, proof: proof, length: bytes.count, fingerprint: fingerprint)
      state.leaks = nil
    }
    changes.wrappingAdd(1, ordering: .releasing)
  }

  /// The fingerprints of some of the secrets, as far as they are known.
  package func fingerprints(of bindings: some Sequence<PlaceholderBinding>) -> [ValueFingerprint] {
    state.withLock { state in bindings.compactMap { state.known[$0.ref]?.fingerprint }.filter { !$0.isEmpty } }
  }

  /// The guard over everything that is known, with the version that it is of.
  package func leakGuard() -> (guard: LeakGuard, version: UInt64) {
    // Read first: what changes in between makes the version look older than it is, and it is asked for again.
    let version = version
    return state.withLock { state in
      if let leaks = state.leaks { return (leaks, version) }
      let known = state.wanted.values.compactMap { binding in state.known[binding.ref].map { (binding, $0) } }
      let leaks = LeakGuard(
        known.map { LeakGuard.Secret($0, length: $1.length) }, known.map { $1.fingerprint }, key: key)
      state.leaks = leaks
      return (leaks, version)
    }
  }
}

extension SecretRef {
  /// Keys whose values are names, known to everybody who deals with the account, and no secrets: they may stand anywhere.
  private static let names: Set<String> = [
    "user", "username", "user_name", "login", "email", "account", "account_id", "client_id", "app_id", "access_key_id", "tenant",
    "tenant_id", "organization", "org", "project", "host", "hostname", "url", "endpoint", "region",
  ]

  /// Whether the value is a name rather than a secret, judged by its key.
  var isName: Bool { Self.names.contains(key.lowercased()) }
}

extension FingerprintKey {
  /// Tells values apart without keeping them.
  package func proof(_ value: Redacted<String>) -> UInt64 {
    var text = value.reveal()
    // The bytes are only read.
    return text.withUTF8 { unsafe whole(UnsafeRawBufferPointer($0)) }
  }
}

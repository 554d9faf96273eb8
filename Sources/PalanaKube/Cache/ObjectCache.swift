import Synchronization

/// A copy of one collection, kept up by an ``Informer``. Reading it takes no request.
package final class ObjectCache<Value: Sendable>: Sendable {
  private struct State {
    var values: [ObjectKey: Value] = [:]
    /// Those that the list that is being read has named so far.
    var listed: Set<ObjectKey>?
    var isSynced = false
    /// When the server last said something, also that nothing changed.
    var heard: ContinuousClock.Instant?
    var failure: KubeError?
  }

  private let state = Mutex(State())

  package init() {}

  package subscript(key: ObjectKey) -> Value? { state.withLock { $0.values[key] } }
  package var count: Int { state.withLock { $0.values.count } }
  package var all: [ObjectKey: Value] { state.withLock { $0.values } }
  package var keys: [ObjectKey] { state.withLock { Array($0.values.keys) } }

  /// Whether the collection was read once to its end. Before that, what is missing here may exist.
  package var isSynced: Bool { state.withLock { $0.isSynced } }
  /// Why the copy is not kept up at this moment; nil when it is.
  package var failure: KubeError? { state.withLock { $0.failure } }

  /// Since when nothing was heard of the server; nil when nothing ever was.
  package func silence(now: ContinuousClock.Instant = .now) -> Duration? {
    state.withLock { $0.heard.map { now - $0 } }
  }

  // MARK: What the informer does

  func begin() { state.withLock { $0.listed = [] } }

  /// - Returns: what was there before.
  func put(_ key: ObjectKey, _ value: Value?, isListed: Bool, now: ContinuousClock.Instant) -> Value? {
    state.withLock { state in
      state.heard = now
      state.failure = nil
      if isListed { state.listed?.insert(key) }
      let old = state.values[key]
      state.values[key] = value
      return old
    }
  }

  /// - Returns: those that are there no more.
  func complete(now: ContinuousClock.Instant) -> [(ObjectKey, Value)] {
    state.withLock { state in
      state.heard = now
      state.failure = nil
      state.isSynced = true
      guard let listed = state.listed else { return [] }
      state.listed = nil
      let gone = state.values.filter { !listed.contains($0.key) }
      for key in gone.keys { state.values[key] = nil }
      return gone.map { ($0.key, $0.value) }
    }
  }

  func hear(now: ContinuousClock.Instant) {
    state.withLock { state in
      state.heard = now
      state.failure = nil
    }
  }

  func fail(_ error: KubeError) { state.withLock { $0.failure = error } }
}

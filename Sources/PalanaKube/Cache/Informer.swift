/// Keeps a copy of a collection up to date and tells of every change.
package struct Informer<Value: Sendable>: Sendable {
  package struct Change: Sendable {
    package var key: ObjectKey
    /// nil: it is new.
    package var old: Value?
    /// nil: it is gone.
    package var new: Value?
  }

  package let cache: ObjectCache<Value>
  private let watcher: Watcher
  private let keep: @Sendable (KubeObject) -> Value?

  /// - Parameter keep: what of an object is kept; nil for one that does not matter. A copy of thousands of objects is no larger than what
  ///   this leaves.
  package init(
    _ watcher: Watcher, cache: ObjectCache<Value> = ObjectCache(), keep: @escaping @Sendable (KubeObject) -> Value?
  ) {
    self.watcher = watcher
    self.cache = cache
    self.keep = keep
  }

  /// Runs until it is cancelled.
  ///
  /// - Parameter onChange: called for each change in the order of the server, after the cache has it. A new list brings every object
  ///   again. It waits for nothing: what takes long belongs into a queue.
  package func run(
    onSync: @escaping @Sendable () async -> Void = {}, onFailure: @escaping @Sendable (KubeError) async -> Void = { _ in },
    onChange: @escaping @Sendable (Change) async -> Void
  ) async {
    let (cache, keep) = (cache, keep)
    await watcher.run { event in
      let now = ContinuousClock.now
      switch event {
      case .began: cache.begin()
      case .listed(let object), .changed(let object):
        let value = keep(object)
        let isListed = if case .listed = event { true } else { false }
        let old = cache.put(object.key, value, isListed: isListed, now: now)
        if old != nil || value != nil { await onChange(Change(key: object.key, old: old, new: value)) }
      case .deleted(let object):
        if let old = cache.put(object.key, nil, isListed: false, now: now) {
          await onChange(Change(key: object.key, old: old, new: nil))
        }
      case .complete:
        for (key, old) in cache.complete(now: now) { await onChange(Change(key: key, old: old, new: nil)) }
        await onSync()
      case .current: cache.hear(now: now)
      case .failed(let error):
        cache.fail(error)
        await onFailure(error)
      }
    }
  }
}

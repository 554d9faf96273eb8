import NIOCore
import NIOPosix
import NIOSSL
import PalanaCore
import PalanaPolicy
import Synchronization

/// The certificates that were minted, bounded in number, shared by all event loops.
///
/// Minting happens on other threads, so that a flood of names slows down only those who ask for new ones. The caller has
/// the policy's permission for the name before it asks.
final class LeafStore: Sendable {
  /// Minting is refused for the moment.
  struct Busy: Error {}

  private struct Entry {
    var context: NIOSSLContext
    var renewAt: Timestamp
  }

  private struct State {
    /// Two generations bound the store without a list: when the young one is full it becomes the old one.
    var young: [String: Entry] = [:]
    var old: [String: Entry] = [:]
    var pending: [String: [EventLoopPromise<NIOSSLContext>]] = [:]
    var minted = 0
  }

  private let mint: LeafMint
  private let threads: NIOThreadPool
  private let clock: WallClock
  private let generation: Int
  private let pendingLimit: Int
  private let state = Mutex(State())

  init(mint: LeafMint, threads: NIOThreadPool, clock: WallClock, limits: EgressLimits) {
    self.mint = mint
    self.threads = threads
    self.clock = clock
    generation = max(1, limits.leafCapacity / 2)
    pendingLimit = limits.pendingMints
  }

  /// Certificates made since the start.
  var minted: Int { state.withLock { $0.minted } }
  /// Certificates held.
  var count: Int { state.withLock { $0.young.count + $0.old.count } }

  /// The context for `host` if it is there.
  func known(_ host: CanonicalHost) -> NIOSSLContext? {
    let name = host.description
    let now = clock.now()
    return state.withLock { state in
      if let entry = state.young[name], entry.renewAt > now { return entry.context }
      guard let entry = state.old[name], entry.renewAt > now else { return nil }
      Self.insert(entry, name, &state, generation)
      return entry.context
    }
  }

  /// The context for `host`, minted if need be; one at a time for each name.
  ///
  /// - Returns: a future that fails with ``Busy`` or an error of the mint.
  func context(for host: CanonicalHost, on loop: any EventLoop) -> EventLoopFuture<NIOSSLContext> {
    if let known = known(host) { return loop.makeSucceededFuture(known) }
    let promise = loop.makePromise(of: NIOSSLContext.self)
    let name = host.description
    enum Next { case wait, make, refuse }
    let next = state.withLock { state -> Next in
      if state.pending[name] != nil {
        state.pending[name]?.append(promise)
        return .wait
      }
      guard state.pending.count < pendingLimit else { return .refuse }
      state.pending[name] = [promise]
      return .make
    }
    switch next {
    case .wait: break
    case .refuse: promise.fail(Busy())
    case .make:
      threads.submit { [self] poolState in
        finish(
          name,
          Result {
            guard case .active = poolState else { throw Busy() }
            return try mint.context(for: host, now: clock.now())
          })
      }
    }
    return promise.futureResult
  }

  private func finish(_ name: String, _ result: Result<NIOSSLContext, any Error>) {
    let waiting = state.withLock { state -> [EventLoopPromise<NIOSSLContext>] in
      if case .success(let context) = result {
        let renewAt = clock.now() + (LeafMint.life - LeafMint.renewBefore)
        Self.insert(Entry(context: context, renewAt: renewAt), name, &state, generation)
        state.minted += 1
      }
      return state.pending.removeValue(forKey: name) ?? []
    }
    for promise in waiting { promise.completeWith(result) }
  }

  private static func insert(_ entry: Entry, _ name: String, _ state: inout State, _ generation: Int) {
    if state.young.count >= generation {
      state.old = state.young
      state.young.removeAll(keepingCapacity: true)
    }
    state.young[name] = entry
  }
}

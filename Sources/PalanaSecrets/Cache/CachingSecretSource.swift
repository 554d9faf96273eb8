package import PalanaCore
package import PalanaPolicy
import ServiceLifecycle
import Synchronization

/// The values of proxy-only secrets in memory, for the data path.
///
/// - A value lives ``Limits/life`` (30 seconds unless configured), counted from the moment the fetch began. After that the
///   store is asked again; when it cannot be reached there is no value. This is the longest that a value revoked in the
///   store by somebody else can still be used; a rotation through Palana does not wait for it.
/// - A request for a revision never gets a value that was fetched for another one. So a rotation takes effect at once,
///   because it writes the store first and publishes the new revision afterwards.
/// - One fetch at a time for each secret, however many wait for it.
/// - A revoked agent has nothing in memory and gets nothing, whatever is under way.
package final class CachingSecretSource: SecretValueSource, Service {
  package struct Limits: Sendable {
    /// How long a value may be used.
    package var life: Duration
    /// How long it is remembered that there is no such secret.
    package var negativeLife: Duration
    /// Secrets in memory.
    package var entries: Int

    package init(life: Duration = .seconds(30), negativeLife: Duration = .seconds(1), entries: Int = 10_000) {
      self.life = life
      self.negativeLife = negativeLife
      self.entries = max(entries, 1)
    }
  }

  /// Reads all keys of one secret from the store.
  package typealias Fetch = @Sendable (SecretPath) async throws(PalanaError) -> [String: Redacted<String>]

  private struct Entry {
    var agent: AgentID
    /// What it was fetched for.
    var revision: Int
    /// When the fetch began. A fetch that began later read a value that is at least as new.
    var began: Duration
    /// Nil: the store has no such secret.
    var values: [String: Redacted<String>]?
    var expires: Duration
  }

  private struct State {
    var entries: [SecretPath: Entry] = [:]
    var revoked: Set<AgentID> = []
    /// Grows when what an agent's fetches bring back must not be used any more. Kept while a fetch is under way.
    var epochs: [AgentID: Epoch] = [:]
  }

  private struct Epoch {
    var number: UInt64 = 0
    var fetches = 0
  }

  private struct Flight: Hashable {
    var path: SecretPath
    var revision: Int
    var epoch: UInt64
  }

  private let state = Mutex(State())
  private let flights = SingleFlight<Flight, [String: Redacted<String>]>()
  private let fetch: Fetch
  private let limits: Limits
  private let clock: MonotonicClock
  private let sleeper: any Clock<Duration>

  /// - Parameters:
  ///   - clock: what the life of a value is measured with.
  ///   - sleeper: what the sweep of ``run()`` waits with.
  package init(
    limits: Limits = Limits(), clock: MonotonicClock = .system, sleeper: any Clock<Duration> = ContinuousClock(),
    fetch: @escaping Fetch
  ) {
    self.limits = limits
    self.clock = clock
    self.sleeper = sleeper
    self.fetch = fetch
  }

  /// Values from the secret store.
  package convenience init(store: VaultClient, limits: Limits = Limits()) {
    self.init(limits: limits) { path async throws(PalanaError) in try await store.read(KVPath(path)).values }
  }

  // MARK: SecretValueSource

  package func cachedValue(of ref: SecretRef, revision: Int) -> Redacted<String>? {
    let now = clock.now()
    return state.withLock { state in
      guard let entry = state.entries[ref.path], entry.revision == revision, now < entry.expires else { return nil }
      return entry.values?[ref.key]
    }
  }

  package func value(of ref: SecretRef, revision: Int) async throws(PalanaError) -> Redacted<String> {
    let agent = AgentID(owner: ref.path.owner, name: ref.path.agent)
    // A fetch that was overtaken by a rotation or a revocation is done again; each round needs another such event, and
    // three in the time of one request are a store in trouble.
    for _ in 0..<3 {
      let now = clock.now()
      let (known, epoch) = try state.withLock { state throws(PalanaError) in
        guard !state.revoked.contains(agent) else { throw Self.revoked(ref) }
        if let entry = state.entries[ref.path], entry.revision == revision, now < entry.expires {
          return (Optional(entry), UInt64(0))
        }
        state.epochs[agent, default: Epoch()].fetches += 1
        return (nil, state.epochs[agent]?.number ?? 0)
      }
      if let known { return try Self.value(of: ref, in: known.values) }
      defer { finished(agent) }
      let values = try await fetched(ref.path, revision: revision, epoch: epoch, agent: agent, began: now)
      let isCurrent = try state.withLock { state throws(PalanaError) in
        guard !state.revoked.contains(agent) else { throw Self.revoked(ref) }
        return (state.epochs[agent]?.number ?? epoch) == epoch
      }
      if isCurrent { return try Self.value(of: ref, in: values) }
    }
    throw PalanaError(.unreachable, "the secret \(ref.path.secret) changed while it was read")
  }

  // MARK: Revocation

  /// Drops what is in memory of an agent, for example because one of its secrets was removed. What is under way is read anew.
  package func forget(agent: AgentID) { drop([agent]) { _ in } }

  /// Drops what is in memory of these agents and refuses them from now on, with ``PalanaError/Code/denied``. When it
  /// returns, no request gets a value any more. Idempotent.
  package func revoke(_ agents: Set<AgentID>) { drop(agents) { $0.formUnion(agents) } }

  /// Lets these agents have values again.
  package func restore(_ agents: Set<AgentID>) { state.withLock { $0.revoked.subtract(agents) } }

  /// The agents that are refused.
  package var revokedAgents: Set<AgentID> { state.withLock { $0.revoked } }

  /// Secrets in memory, those without a value among them.
  package var count: Int { state.withLock { $0.entries.count } }

  /// Drops every value whose life is over, so that it does not stay in memory until somebody asks for it.
  package func sweep() {
    let now = clock.now()
    state.withLock { state in state.entries = state.entries.filter { now < $0.value.expires } }
  }

  /// Sweeps once in each life of a value, until graceful shutdown.
  package func run() async throws {
    await cancelWhenGracefulShutdown {
      while (try? await self.sleeper.sleep(for: self.limits.life)) != nil { self.sweep() }
    }
    state.withLock { $0.entries = [:] }
  }

  // MARK: Inside

  private func drop(_ agents: Set<AgentID>, revoke: (inout Set<AgentID>) -> Void) {
    state.withLock { state in
      revoke(&state.revoked)
      for agent in agents { state.epochs[agent]?.number += 1 }
      state.entries = state.entries.filter { !agents.contains($0.value.agent) }
    }
  }

  /// Reads a secret once for all that wait, and keeps what came, unless something newer is there or it was overtaken.
  private func fetched(
    _ path: SecretPath, revision: Int, epoch: UInt64, agent: AgentID, began: Duration
  ) async throws(PalanaError) -> [String: Redacted<String>]? {
    let flight = Flight(path: path, revision: revision, epoch: epoch)
    do throws(PalanaError) {
      return try await flights.run(flight) { () async throws(PalanaError) in
        let values: [String: Redacted<String>]?
        do throws(PalanaError) { values = try await fetch(path) } catch {
          guard error.code == .notFound else { throw error }
          values = nil
        }
        let life = values == nil ? limits.negativeLife : limits.life
        keep(
          Entry(agent: agent, revision: revision, began: began, values: values, expires: began + life), at: path,
          epoch: epoch)
        guard let values else { throw Self.missing(path.secret) }
        return values
      }
    } catch {
      guard error.code == .notFound else { throw error }
      return nil
    }
  }

  private func keep(_ entry: Entry, at path: SecretPath, epoch: UInt64) {
    let now = clock.now()
    state.withLock { state in
      guard !state.revoked.contains(entry.agent), (state.epochs[entry.agent]?.number ?? epoch) == epoch else { return }
      if let present = state.entries[path], present.began > entry.began { return }
      if state.entries[path] == nil, state.entries.count >= limits.entries {
        state.entries = state.entries.filter { now < $0.value.expires }
        // Still full: one in eight goes, so that the work of making room is shared by many inserts.
        if state.entries.count >= limits.entries {
          for path in state.entries.keys.prefix(max(limits.entries / 8, 1)) { state.entries[path] = nil }
        }
      }
      state.entries[path] = entry
    }
  }

  private func finished(_ agent: AgentID) {
    state.withLock { state in
      guard var epoch = state.epochs[agent] else { return }
      epoch.fetches -= 1
      state.epochs[agent] = epoch.fetches > 0 ? epoch : nil
    }
  }

  private static func value(
    of ref: SecretRef, in values: [String: Redacted<String>]?
  ) throws(PalanaError) -> Redacted<String> {
    guard let value = values?[ref.key] else { throw missing(ref.path.secret) }
    return value
  }

  private static func missing(_ secret: String) -> PalanaError {
    PalanaError(.notFound, "the secret \(secret) has no value", hint: "it was removed or it expired; add it again")
  }

  private static func revoked(_ ref: SecretRef) -> PalanaError {
    PalanaError(
      .denied, "the secrets of the agent \(ref.path.agent) are revoked", hint: "pcli unkill lets it have them again")
  }
}

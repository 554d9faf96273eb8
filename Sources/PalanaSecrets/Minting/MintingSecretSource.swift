package import PalanaAPI
package import PalanaCore
package import PalanaPolicy
import ServiceLifecycle
import Synchronization

/// The values of proxy-only secrets, those among them that have to be made: short tokens of GitHub Apps and OAuth clients.
///
/// - A stored value comes from the source that this one wraps; a token is asked for with what is stored, which no one but the
///   token endpoint ever gets.
/// - A token is kept for its life, at most an hour, and replaced before that ends. One request for a token at a time for each secret.
/// - When the endpoint fails it is left alone for a growing while, at most a minute; a token that still holds is used meanwhile.
/// - A request for a revision never gets a token that was made for another one, so new parameters count at once.
/// - A revoked agent has no token in memory and gets none, whatever is under way.
package final class MintingSecretSource: SecretValueSource, Service {
  /// What is written down of one request for a token.
  package struct Record: Sendable {
    package var path: SecretPath
    package var agent: AgentID
    package var minting: SecretMinting
    /// The host that was asked; nil when it did not come to that.
    package var endpoint: String?
    package var took: Duration
    /// How long the token may be used.
    package var result: Result<Duration, PalanaError>
  }

  private struct Entry {
    var agent: AgentID
    var revision: Int
    var value: Redacted<String>
    /// From here on another one is asked for.
    var refresh: Duration
    var expires: Duration
  }

  private struct Failure {
    var agent: AgentID
    var revision: Int
    var count: Int
    var until: Duration
    var error: PalanaError
  }

  private struct State {
    var entries: [SecretPath: Entry] = [:]
    var failures: [SecretPath: Failure] = [:]
    var revoked: Set<AgentID> = []
    /// Grows when tokens of an agent must not be used any more; kept while any is being made.
    var dropped: [AgentID: UInt64] = [:]
    var drops: UInt64 = 0
    var underWay = 0
  }

  private struct Flight: Hashable {
    var path: SecretPath
    var revision: Int
    var drops: UInt64
  }

  private let stored: CachingSecretSource
  private let transport: any TokenTransport
  private let clock: MonotonicClock
  private let wallClock: WallClock
  private let sleeper: any Clock<Duration>
  private let record: @Sendable (Record) throws(PalanaError) -> Void
  private let state = Mutex(State())
  private let flights = SingleFlight<Flight, Redacted<String>>()
  /// Secrets whose token, or failure, is remembered.
  private let limit: Int

  /// - Parameters:
  ///   - stored: where the parameters come from, and all other values.
  ///   - record: writes a request for a token down; when it fails the token is not used.
  package init(
    stored: CachingSecretSource, transport: any TokenTransport, clock: MonotonicClock = .system,
    wallClock: WallClock = .system, sleeper: any Clock<Duration> = ContinuousClock(), limit: Int = 10_000,
    record: @escaping @Sendable (Record) throws(PalanaError) -> Void
  ) {
    self.stored = stored
    self.transport = transport
    self.clock = clock
    self.wallClock = wallClock
    self.sleeper = sleeper
    self.limit = max(limit, 1)
    self.record = record
  }

  // MARK: SecretValueSource

  package func cachedValue(of ref: SecretRef, revision: Int) -> Redacted<String>? {
    guard ref.minting != nil else { return stored.cachedValue(of: ref, revision: revision) }
    let now = clock.now()
    return state.withLock { state in
      guard let entry = state.entries[ref.path], entry.revision == revision, now < entry.refresh else { return nil }
      return entry.value
    }
  }

  package func value(of ref: SecretRef, revision: Int) async throws(PalanaError) -> Redacted<String> {
    guard let minting = ref.minting else { return try await stored.value(of: ref, revision: revision) }
    let agent = AgentID(owner: ref.path.owner, name: ref.path.agent)
    // One that was overtaken by a removal or a revocation is made again, as often as in the source below.
    for _ in 0..<3 {
      let now = clock.now()
      let drops = try state.withLock { (state) throws(PalanaError) -> UInt64? in
        guard !state.revoked.contains(agent) else { throw Self.revoked(ref.path) }
        let entry = state.entries[ref.path].flatMap { $0.revision == revision && now < $0.expires ? $0 : nil }
        if let entry, now < entry.refresh { return nil }
        if let failure = state.failures[ref.path], failure.revision == revision, now < failure.until {
          if entry != nil { return nil }
          throw failure.error
        }
        state.underWay += 1
        return state.drops
      }
      guard let drops else {
        if let value = held(ref.path, revision) { return value }
        continue
      }
      defer { finished() }
      let result: Result<Redacted<String>, PalanaError>
      do throws(PalanaError) {
        result = .success(
          try await flights.run(Flight(path: ref.path, revision: revision, drops: drops)) { () async throws(PalanaError) in
            try await mint(ref.path, minting, revision: revision, agent: agent, drops: drops)
          })
      } catch { result = .failure(error) }
      let isCurrent = try state.withLock { (state) throws(PalanaError) in
        guard !state.revoked.contains(agent) else { throw Self.revoked(ref.path) }
        return (state.dropped[agent] ?? 0) <= drops
      }
      guard isCurrent else { continue }
      if case .failure = result, let value = held(ref.path, revision) { return value }
      return try result.get()
    }
    throw PalanaError(.unreachable, "the secret \(ref.path.secret) changed while its token was made")
  }

  // MARK: Revocation

  /// Drops tokens and values of an agent, for example because one of its secrets was removed.
  package func forget(agent: AgentID) {
    drop([agent]) { _ in }
    stored.forget(agent: agent)
  }

  /// Drops tokens and values of these agents and refuses them from now on. Idempotent.
  package func revoke(_ agents: Set<AgentID>) {
    drop(agents) { $0.formUnion(agents) }
    stored.revoke(agents)
  }

  /// Lets these agents have values and tokens again.
  package func restore(_ agents: Set<AgentID>) {
    stored.restore(agents)
    state.withLock { $0.revoked.subtract(agents) }
  }

  /// Tokens in memory.
  package var count: Int { state.withLock { $0.entries.count } }

  /// Drops what has expired.
  package func sweep() {
    let now = clock.now()
    state.withLock { state in
      state.entries = state.entries.filter { now < $0.value.expires }
      state.failures = state.failures.filter { now < $0.value.until + Self.longestPause }
    }
  }

  /// Sweeps once in a while, until graceful shutdown.
  package func run() async throws {
    await cancelWhenGracefulShutdown {
      while (try? await self.sleeper.sleep(for: Self.longestPause)) != nil { self.sweep() }
    }
    state.withLock { $0.entries = [:] }
  }

  private func drop(_ agents: Set<AgentID>, _ revoke: (inout Set<AgentID>) -> Void) {
    state.withLock { state in
      revoke(&state.revoked)
      state.entries = state.entries.filter { !agents.contains($0.value.agent) }
      state.failures = state.failures.filter { !agents.contains($0.value.agent) }
      state.drops += 1
      guard state.underWay > 0 else { return }
      for agent in agents { state.dropped[agent] = state.drops }
    }
  }

  // MARK: Making tokens

  static let longestPause = Duration.seconds(60)

  /// The token while it holds, also when it should be replaced already.
  private func held(_ path: SecretPath, _ revision: Int) -> Redacted<String>? {
    let now = clock.now()
    return state.withLock { state in
      guard let entry = state.entries[path], entry.revision == revision, now < entry.expires else { return nil }
      return entry.value
    }
  }

  private func mint(
    _ path: SecretPath, _ minting: SecretMinting, revision: Int, agent: AgentID, drops: UInt64
  ) async throws(PalanaError) -> Redacted<String> {
    let began = clock.now()
    var endpoint: String?
    do throws(PalanaError) {
      let values = try await parameters(path, minting, revision: revision)
      let asked = wallClock.now()
      let token: MintedToken
      switch minting {
      case .githubApp:
        let app = try GitHubApp(values)
        endpoint = app.endpoint.authority.host.description
        token = try app.token(from: await transport.send(try await app.request(now: asked), for: agent), askedAt: asked)
      case .oauthClient:
        let client = try OAuthClient(values)
        endpoint = client.endpoint.authority.host.description
        token = try client.token(from: await transport.send(client.request(), for: agent))
      }
      try record(
        Record(
          path: path, agent: agent, minting: minting, endpoint: endpoint, took: clock.now() - began,
          result: .success(token.life)))
      keep(token, path, revision: revision, agent: agent, began: began, drops: drops)
      return token.value
    } catch {
      if !Task.isCancelled { noteFailure(error, path, revision: revision, agent: agent, drops: drops) }
      try? record(
        Record(
          path: path, agent: agent, minting: minting, endpoint: endpoint, took: clock.now() - began, result: .failure(error)))
      throw error
    }
  }

  /// What is stored of the secret. The first one that is needed brings them all into memory.
  private func parameters(
    _ path: SecretPath, _ minting: SecretMinting, revision: Int
  ) async throws(PalanaError) -> [String: Redacted<String>] {
    var values: [String: Redacted<String>] = [:]
    for name in MintRules.parameters(of: minting) {
      do throws(PalanaError) {
        values[name] = try await stored.value(of: SecretRef(path: path, key: name), revision: revision)
      } catch {
        // Some may be left out.
        guard error.code == .notFound else { throw error }
      }
    }
    guard !values.isEmpty else {
      throw PalanaError(.notFound, "the secret \(path.secret) has no value", hint: "it was removed; add it again")
    }
    return values
  }

  private func keep(
    _ token: MintedToken, _ path: SecretPath, revision: Int, agent: AgentID, began: Duration, drops: UInt64
  ) {
    state.withLock { state in
      guard !state.revoked.contains(agent), (state.dropped[agent] ?? 0) <= drops else { return }
      state.failures[path] = nil
      makeRoom(&state)
      // The last tenth of a life, and never more than five minutes, is for replacing it; a few seconds for the way.
      let margin = min(token.life / 10, .seconds(300))
      state.entries[path] = Entry(
        agent: agent, revision: revision, value: token.value, refresh: began + token.life - margin,
        expires: began + token.life - min(margin / 2, .seconds(10)))
    }
  }

  private func noteFailure(_ error: PalanaError, _ path: SecretPath, revision: Int, agent: AgentID, drops: UInt64) {
    let now = clock.now()
    state.withLock { state in
      guard !state.revoked.contains(agent), (state.dropped[agent] ?? 0) <= drops else { return }
      makeRoom(&state)
      let before = state.failures[path].flatMap { $0.revision == revision ? $0.count : nil } ?? 0
      // 1, 2, 4 … seconds, at most a minute.
      let pause = min(Duration.seconds(1 << min(before, 6)), Self.longestPause)
      state.failures[path] = Failure(
        agent: agent, revision: revision, count: before + 1, until: now + pause, error: error)
    }
  }

  private func makeRoom(_ state: inout State) {
    let now = clock.now()
    if state.entries.count >= limit {
      state.entries = state.entries.filter { now < $0.value.expires }
      for path in state.entries.keys.prefix(max(0, state.entries.count - limit / 8 * 7)) { state.entries[path] = nil }
    }
    if state.failures.count >= limit {
      state.failures = state.failures.filter { now < $0.value.until }
      for path in state.failures.keys.prefix(max(0, state.failures.count - limit / 8 * 7)) { state.failures[path] = nil }
    }
  }

  private func finished() {
    state.withLock { state in
      state.underWay -= 1
      if state.underWay == 0 { state.dropped = [:] }
    }
  }

  private static func revoked(_ path: SecretPath) -> PalanaError {
    PalanaError(
      .denied, "the secrets of the agent \(path.agent) are revoked", hint: "pcli unkill lets it have them again")
  }
}

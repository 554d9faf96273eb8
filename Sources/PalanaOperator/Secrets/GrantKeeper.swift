package import PalanaCore
package import PalanaSecrets
import Synchronization

/// The rights of agents in the secret store, as the operator gives and takes them: nothing is asked that was found right lately, and a
/// store that does not answer is not asked by every agent in turn.
package final class GrantKeeper: Sendable {
  private struct State {
    /// Roles that the store has; nil: it did not say yet.
    var roles: Set<String>?
    /// What was last found as it is wanted, and when.
    var kept: [String: (grant: AgentGrant, at: ContinuousClock.Instant)] = [:]
    /// What was taken away, and when it was made sure of.
    var withdrawn: [String: (first: Timestamp, at: ContinuousClock.Instant)] = [:]
    /// Why it could not be asked the last time.
    var failure: PalanaError?
  }

  /// Whom the tokens of service accounts have to be for.
  package let audience: String
  private let grants: AgentGrants
  private let refresh: Duration
  /// Between looks at a store that does not answer.
  let patience: Duration
  private let clock: WallClock
  private let state = Mutex(State())

  /// - Parameter refresh: how long what was found right is believed.
  package init(
    _ grants: AgentGrants, audience: String, refresh: Duration, patience: Duration = .seconds(2), clock: WallClock = .system
  ) {
    self.grants = grants
    self.audience = audience
    self.refresh = refresh
    self.patience = patience
    self.clock = clock
  }

  /// Whether it did not answer when it was last asked.
  var isFailing: Bool { state.withLock { $0.failure != nil } }

  /// What became of a grant.
  enum Outcome: Sendable, Hashable {
    case same
    case given
    case changed([String])
    /// Somebody else had changed or removed it.
    case repaired([String])
  }

  /// Finds out which agents have rights.
  ///
  /// - Returns: the names of their roles.
  /// - Throws: ``PalanaError``: `unreachable`, `denied`, `failed`; so for all of these.
  func load() async throws(PalanaError) -> Set<String> {
    let found = try await asking(isProbe: true) { () async throws(PalanaError) in try await grants.roles() }
    state.withLock { state in
      // What somebody else removed or made again shows here at the latest.
      for (name, _) in state.kept where !found.contains(name) { state.kept[name]?.at = .now - refresh }
      for name in found { state.withdrawn[name] = nil }
      state.roles = found
    }
    return found
  }

  /// Whether the store may have something of this agent. `unknown`: as long as the store did not say.
  func mayHave(_ name: String, unknown: Bool) -> Bool {
    state.withLock { $0.kept[name] != nil || $0.roles?.contains(name) ?? unknown }
  }

  func ensure(_ grant: AgentGrant) async throws(PalanaError) -> Outcome {
    let before = state.withLock { $0.kept[grant.name] }
    if let before, before.grant == grant, before.at + refresh > .now { return .same }
    let outcome = try await asking { () async throws(PalanaError) in try await grants.ensure(grant) }
    state.withLock { state in
      state.kept[grant.name] = (grant, .now)
      state.withdrawn[grant.name] = nil
      state.roles?.insert(grant.name)
    }
    let wasSame = before?.grant == grant
    return switch outcome {
    case .same: .same
    case .given: wasSame ? .repaired(["removed"]) : .given
    case .changed(let fields): wasSame ? .repaired(fields) : .changed(fields)
    }
  }

  /// Takes everything away, unless there is nothing.
  ///
  /// - Returns: when that was first so.
  func withdraw(_ name: String) async throws(PalanaError) -> Timestamp {
    let now = clock.now()
    let done = state.withLock { state -> Timestamp? in
      let found = state.withdrawn[name]
      let isKnown = state.kept[name] == nil && state.roles?.contains(name) == false
      guard isKnown || found.map({ $0.at + refresh > .now }) ?? false else { return nil }
      state.withdrawn[name] = found ?? (now, .now)
      return found?.first ?? now
    }
    if let done { return done }
    try await asking { () async throws(PalanaError) in try await grants.withdraw(name) }
    return state.withLock { state in
      state.kept[name] = nil
      state.roles?.remove(name)
      let first = state.withdrawn[name]?.first ?? clock.now()
      state.withdrawn[name] = (first, .now)
      return first
    }
  }

  /// An agent is no more.
  func forget(_ name: String) { state.withLock { $0.withdrawn[name] = nil } }

  /// - Parameter isProbe: whether it is asked although it did not answer the last time. One at a time does that, so that a store that is
  ///   away holds up nobody.
  private func asking<Value>(
    isProbe: Bool = false, _ body: () async throws(PalanaError) -> Value
  ) async throws(PalanaError) -> Value {
    if !isProbe, let failure = state.withLock({ $0.failure }) { throw failure }
    do throws(PalanaError) {
      let value = try await body()
      state.withLock { $0.failure = nil }
      return value
    } catch {
      if error.code == .unreachable || error.code == .denied { state.withLock { $0.failure = error } }
      throw error
    }
  }
}

import PalanaCore
import PalanaPolicy
import PalanaSecrets
import Synchronization

/// The tokens that upstreams gave agents in answers of token endpoints, and what the agents have instead. In memory only: they are
/// lost with the process, and agents sign in again.
final class MintedTokens: Sendable {
  private struct Minted {
    var value: Redacted<String>
    /// The secret that the agent wrote its request with: the token dies with its binding.
    var parent: SecretRef
    var binding: PlaceholderBinding
    var expires: Duration
  }

  /// Marks a reference to a value here: secrets in the store have revisions from zero on.
  private static let revision = -1
  /// Tokens of one agent.
  private static let most = 256
  private static let usualLife = Duration.seconds(3600)
  private static let usualRefreshLife = Duration.seconds(30 * 86_400)
  private static let longestLife = Duration.seconds(90 * 86_400)

  private let state = Mutex<[AgentID: [String: Minted]]>([:])
  private let clock: MonotonicClock

  init(clock: MonotonicClock = .system) { self.clock = clock }

  /// Keeps a token and gives back what stands for it, with its binding.
  ///
  /// An access or identity token may stand in `Authorization` of a request to where the secret lets its tokens go; a refresh token in
  /// a body, or there, to the endpoint that gave it. Of a JWT, header and claims stay readable, because clients look into them and they
  /// are worth nothing without the signature: the placeholder stands for that.
  func mint(
    _ token: TokenResponse.Token, of parent: PlaceholderBinding, agent: AgentID, from endpoint: BoundDestination
  ) -> (text: String, binding: PlaceholderBinding, value: Redacted<String>) {
    let now = clock.now()
    let name = "\(PlaceholderNaming.prefix)MINTED_\(RandomToken.hex(bytes: 16).uppercased())"
    let readable = Self.readable(token.value)
    let value = Redacted(String(token.value.dropFirst(readable.count)))
    let isRefresh = token.kind == .refresh
    let binding = PlaceholderBinding(
      placeholder: name, secretName: parent.secretName, ref: SecretRef(path: parent.ref.path, key: name),
      destinations: isRefresh ? [endpoint] : parent.tokenDestinations,
      places: isRefresh ? [.body, .header("authorization")] : [.header("authorization")], revision: Self.revision)
    let life = min(token.life ?? (isRefresh ? Self.usualRefreshLife : Self.usualLife), Self.longestLife)
    let minted = Minted(value: value, parent: parent.ref, binding: binding, expires: now + life)
    state.withLock { state in
      var own = state[agent, default: [:]].filter { now < $0.value.expires }
      if own.count >= Self.most, let first = own.min(by: { $0.value.expires < $1.value.expires }) { own[first.key] = nil }
      own[name] = minted
      state[agent] = own
    }
    return (readable + name, binding, value)
  }

  /// What a placeholder of a minted token stands for; nil for an unknown one, or one whose time is over.
  func binding(_ placeholder: String, of agent: EgressAgent) -> PlaceholderBinding? {
    guard agent.mintsTokens else { return nil }
    let now = clock.now()
    return state.withLock { state in
      guard let minted = state[agent.id]?[placeholder] else { return nil }
      return Self.isAlive(minted, agent, now) ? minted.binding : nil
    }
  }

  /// Everything that an agent may use at this moment.
  func bindings(of agent: EgressAgent) -> [PlaceholderBinding] {
    guard agent.mintsTokens else { return [] }
    let now = clock.now()
    return state.withLock { state in
      state[agent.id]?.values.filter { Self.isAlive($0, agent, now) }.map(\.binding) ?? []
    }
  }

  /// Everything that is not over, of all agents; what belongs to agents that are not among `agents` is forgotten.
  func keep(_ agents: Set<AgentID>) -> [PlaceholderBinding] {
    let now = clock.now()
    return state.withLock { state in
      state = state.filter { agents.contains($0.key) }
      return state.values.flatMap { own in own.values.filter { now < $0.expires }.map(\.binding) }
    }
  }

  /// Whether a reference with this revision means a token.
  func isMinted(_ revision: Int) -> Bool { revision == Self.revision }

  /// The token that a reference means; nil when its time is over.
  func value(of ref: SecretRef) -> Redacted<String>? {
    let now = clock.now()
    let agent = AgentID(owner: ref.path.owner, name: ref.path.agent)
    return state.withLock { state in
      guard let minted = state[agent]?[ref.key], now < minted.expires else { return nil }
      return minted.value
    }
  }

  private static func isAlive(_ minted: Minted, _ agent: EgressAgent, _ now: Duration) -> Bool {
    now < minted.expires && agent.bindings.contains { $0.ref == minted.parent && !$0.tokenDestinations.isEmpty }
  }

  /// Header and claims of a JWT, with the dot behind them; nothing of any other token.
  private static func readable(_ token: String) -> String {
    let parts = token.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 3, token.hasPrefix("eyJ"), parts.allSatisfy({ !$0.isEmpty }) else { return "" }
    return "\(parts[0]).\(parts[1])."
  }
}

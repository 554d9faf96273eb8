import PalanaPolicy
import PalanaSecrets

/// The indexes of what must not come back to an agent from a destination: every secret of the agent that is bound there. Of one event
/// loop; made when they are needed first and after every change.
struct ScrubIndexes {
  private struct Made {
    var agent: EgressAgent
    var index: FingerprintIndex?
  }

  /// Destinations kept; they are made again in microseconds.
  private static let most = 1024
  private var made: [UpstreamKey: Made] = [:]
  private var version: UInt64 = 0

  /// The index for the responses of a destination; nil when nothing of the agent may be there.
  mutating func index(
    for agent: EgressAgent, _ scheme: EgressRequest.Scheme, _ authority: Authority, book: FingerprintBook, tokens: MintedTokens
  ) -> FingerprintIndex? {
    guard !agent.bindings.isEmpty else { return nil }
    let version = book.version
    if version != self.version || made.count > Self.most {
      made.removeAll(keepingCapacity: true)
      self.version = version
    }
    let key = UpstreamKey(agent: agent.id, authority: authority, scheme: scheme)
    if let known = made[key], known.agent === agent { return known.index }
    let bound = (agent.bindings + tokens.bindings(of: agent)).filter { $0.destinations.contains { $0.covers(scheme, authority) } }
    let fingerprints = bound.isEmpty ? [] : book.fingerprints(of: bound)
    let index = fingerprints.isEmpty ? nil : FingerprintIndex(fingerprints, key: book.key)
    made[key] = Made(agent: agent, index: index)
    return index
  }
}

extension BoundDestination {
  /// Whether a request with this scheme to this authority goes there.
  func covers(_ scheme: EgressRequest.Scheme, _ authority: Authority) -> Bool {
    self.scheme == scheme && port == authority.port && host.matches(authority.host)
  }
}

import PalanaCore
import PalanaPolicy

/// What a kept connection to an upstream may be used for again: the same agent, the same destination, the same protection.
struct UpstreamKey: Hashable, Sendable {
  let agent: AgentID
  let authority: Authority
  let scheme: EgressRequest.Scheme
  /// Whether HTTP/2 is offered in the TLS handshake.
  var offersHTTP2 = false
}

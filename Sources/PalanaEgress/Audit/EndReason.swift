import PalanaPolicy

/// Why a request ended otherwise than by a complete response. With ``DenialReason`` it is the closed list of reasons in
/// egress events.
enum EndReason: Hashable {
  case denied(DenialReason)
  /// The agent closed its connection.
  case clientAborted
  /// The kill switch.
  case agentKilled
  /// The agent is gone, or has another address or token.
  case agentChanged
  /// A new policy no longer allows the request that was under way.
  case policyChanged(DenialReason)
  /// This daemon stops.
  case gatewayStopped
  /// No byte moved for too long.
  case idle

  var text: String {
    switch self {
    case .denied(let reason), .policyChanged(let reason): reason.rawValue
    case .clientAborted: "client_aborted"
    case .agentKilled: DenialReason.agentKilled.rawValue
    case .agentChanged: "agent_changed"
    case .gatewayStopped: "gateway_stopped"
    case .idle: "stream_timeout"
    }
  }
}

/// Why a request did not pass: a closed list, the same in denial bodies, audit events and the documentation.
package enum DenialReason: String, Hashable, Sendable, CaseIterable, Codable {
  case hostNotAllowed = "host_not_allowed"
  case portNotAllowed = "port_not_allowed"
  case methodNotAllowed = "method_not_allowed"
  case pathNotAllowed = "path_not_allowed"
  case schemeNotAllowed = "scheme_not_allowed"
  /// Git is allowed at this host, but not this repository, operation or ref.
  case gitNotAllowed = "git_not_allowed"
  /// A rule that says deny, or a guardrail.
  case policyDenied = "policy_denied"
  case addressNotAllowed = "address_not_allowed"
  case nameMismatch = "name_mismatch"
  case malformedRequest = "malformed_request"
  case headersTooLarge = "headers_too_large"
  /// The body is larger than the agent may send, or than what can be held to put a credential in.
  case bodyTooLarge = "body_too_large"
  case requestTimeout = "request_timeout"
  case secretNotBound = "secret_not_bound"
  case placeholderLeft = "placeholder_left"
  /// A real secret's value stood in a request that should not hold it.
  case secretLeak = "secret_leak"
  case secretUnavailable = "secret_unavailable"
  /// A request to a host with a secret carries another credential, and the secret says that none may.
  case credentialRequired = "credential_required"
  /// A body that may hold a placeholder and is of a kind that the gateway does not write into.
  case bodyNotRewritable = "body_not_rewritable"
  /// An AWS signature that the gateway cannot make again.
  case signatureNotSupported = "signature_not_supported"
  case agentUnknown = "agent_unknown"
  case agentKilled = "agent_killed"
  case proxyAuthenticationRequired = "proxy_authentication_required"
  case limitExceeded = "limit_exceeded"
  case policyUnavailable = "policy_unavailable"
  case auditUnavailable = "audit_unavailable"
  case nameNotResolved = "name_not_resolved"
  case upstreamUnreachable = "upstream_unreachable"
  case upstreamCertificateInvalid = "upstream_certificate_invalid"
  case upstreamProtocolError = "upstream_protocol_error"
  case upstreamTimeout = "upstream_timeout"
  /// The response cannot be looked through for the agent's secrets: it is compressed in an unknown way, damaged, or grows too much.
  case responseNotReadable = "response_not_readable"
  /// The client did not finish the TLS handshake inside its tunnel (it pins a certificate, or does not trust ours).
  case clientHandshakeFailed = "client_handshake_failed"
  /// Something other than TLS or HTTP came through a tunnel.
  case protocolNotSupported = "protocol_not_supported"
  /// Another data plane carries the requests, and it cannot do what this one needs.
  case notOnThisDataPlane = "not_on_this_data_plane"

  /// The status of the answer an agent gets: 403 for a decision, 4xx for its own mistakes, 502 to 504 for a plane or an
  /// upstream that is down.
  package var status: Int {
    switch self {
    case .malformedRequest: 400
    case .proxyAuthenticationRequired: 407
    case .requestTimeout: 408
    case .bodyTooLarge: 413
    case .bodyNotRewritable: 415
    case .limitExceeded: 429
    case .headersTooLarge: 431
    case .secretUnavailable, .policyUnavailable, .auditUnavailable: 503
    case .nameNotResolved, .upstreamUnreachable, .upstreamCertificateInvalid, .upstreamProtocolError, .responseNotReadable:
      502
    case .upstreamTimeout: 504
    default: 403
    }
  }
}

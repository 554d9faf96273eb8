import NIOHTTP1
import PalanaCore

/// Why the gateway does not let a request out, or what it says in place of an answer.
struct LLMRefusal: Error, Hashable, Sendable {
  /// A closed list: docs/llm.md says what each means.
  enum Reason: String, Sendable, CaseIterable {
    case agentKilled = "agent_killed"
    case routeUnknown = "route_unknown"
    case endpointUnknown = "endpoint_unknown"
    case malformedRequest = "malformed_request"
    case untranslatable
    case requestTooLarge = "request_too_large"
    case modelNotAllowed = "model_not_allowed"
    case budgetExceeded = "budget_exceeded"
    case requestOverBudget = "request_over_budget"
    case tooManyCalls = "too_many_calls"
    case reasoningLimit = "reasoning_limit"
    case ledgerUnavailable = "ledger_unavailable"
    case auditUnavailable = "audit_unavailable"
    case secretUnavailable = "secret_unavailable"
    case credentialRefused = "credential_refused"
    case secretLeak = "secret_leak"
    case redactionFailed = "redaction_failed"
    case upstreamUnreachable = "upstream_unreachable"
    case upstreamTimeout = "upstream_timeout"
    case upstreamFailed = "upstream_failed"
    case gatewayStopping = "gateway_stopping"
    case overloaded
  }

  var status: HTTPResponseStatus
  var reason: Reason
  /// One sentence for the agent.
  var message: String
  /// The member of the request in question.
  var member: String?
  /// Seconds; the agent may try again after them.
  var retryAfter: Int64?
  /// For the event, and not for the agent.
  var details: [String: String] = [:]

  init(_ status: HTTPResponseStatus, _ reason: Reason, _ message: String, member: String? = nil, retryAfter: Int64? = nil) {
    self.status = status
    self.reason = reason
    self.message = message
    self.member = member
    self.retryAfter = retryAfter
  }

  /// Whether the request was looked at and not wanted, rather than not possible.
  var isDenial: Bool {
    switch reason {
    case .agentKilled, .routeUnknown, .endpointUnknown, .malformedRequest, .untranslatable, .requestTooLarge, .modelNotAllowed,
      .budgetExceeded, .requestOverBudget, .tooManyCalls, .secretLeak, .redactionFailed, .reasoningLimit:
      true
    case .ledgerUnavailable, .auditUnavailable, .secretUnavailable, .credentialRefused, .upstreamUnreachable, .upstreamTimeout,
      .upstreamFailed,
      .gatewayStopping, .overloaded:
      false
    }
  }

  /// Whether the libraries of the dialects, which send again by themselves after many errors, are told not to.
  var isFinal: Bool {
    switch reason {
    case .credentialRefused: true
    // The SDKs wait for a minute at most; a longer pause they shorten to some seconds.
    default: status == .tooManyRequests && retryAfter.map { $0 > 60 } ?? true
    }
  }
}

extension LLMRefusal {
  init(_ error: DialectError) {
    self.init(
      .badRequest, error.reason == .untranslatable ? .untranslatable : .malformedRequest, error.message, member: error.member)
  }

  init(_ refusal: Refusal) {
    switch refusal {
    case .ledgerUnavailable: self.init(.serviceUnavailable, .ledgerUnavailable, "\(refusal)", retryAfter: 1)
    case .overBudget(let overrun):
      let reason: Reason =
        if overrun.isTooLarge { .requestOverBudget } else if overrun.figures.measure == .concurrency { .tooManyCalls } else {
          .budgetExceeded
        }
      self.init(.tooManyRequests, reason, "\(refusal)", retryAfter: overrun.retryAfterSeconds)
    }
  }
}

extension ErrorBody {
  init(_ refusal: LLMRefusal) {
    self.init(status: Int(refusal.status.code), reason: refusal.reason.rawValue, message: refusal.message, member: refusal.member)
  }
}

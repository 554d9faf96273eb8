package import PalanaCore

/// Who is asking, as decisions see it. Derived from the network, never from the request.
package struct PolicySubject: Hashable, Sendable {
  package var id: AgentID
  package var name: ResourceName
  package var owner: UserIdentity
  package var template: String?
  package var labels: [String: String]

  package init(id: AgentID, name: ResourceName, owner: UserIdentity, template: String?, labels: [String: String]) {
    self.id = id
    self.name = name
    self.owner = owner
    self.template = template
    self.labels = labels
  }
}

/// One question to the policy: may this agent do this? Everything in it is already canonical.
package struct EgressRequest: Hashable, Sendable {
  package enum Stage: String, Sendable {
    /// Only the authority is known: a CONNECT before its tunnel exists.
    case authority
    /// A whole request head is known.
    case request
  }

  package enum Scheme: String, Sendable, CaseIterable { case http, https }

  package var subject: PolicySubject
  package var stage: Stage
  package var scheme: Scheme
  package var authority: Authority
  /// Upper case as sent; nil at the authority stage.
  package var method: String?
  /// The path that the upstream will get, without query; nil at the authority stage.
  package var path: String?

  package init(
    subject: PolicySubject, stage: Stage, scheme: Scheme, authority: Authority, method: String? = nil,
    path: String? = nil
  ) {
    self.subject = subject
    self.stage = stage
    self.scheme = scheme
    self.authority = authority
    self.method = method
    self.path = path
  }
}

/// A host in its only canonical form.
package struct CanonicalHost: Hashable, Sendable, CustomStringConvertible {
  package enum Form: Hashable, Sendable {
    /// Lower-case ASCII labels without a trailing dot; IDN as A-labels.
    case name
    case address(IPAddress)
  }

  package let form: Form
  /// `api.github.com`, `192.0.2.1`, `2001:db8::1` (without brackets).
  package let description: String

  /// Only for the canonicaliser in this module.
  init(form: Form, description: String) {
    self.form = form
    self.description = description
  }
}

/// A canonical host with a port.
package struct Authority: Hashable, Sendable, CustomStringConvertible {
  package let host: CanonicalHost
  package let port: UInt16

  package init(host: CanonicalHost, port: UInt16) {
    self.host = host
    self.port = port
  }

  package var description: String {
    if case .address(.v6) = host.form { return "[\(host)]:\(port)" }
    return "\(host):\(port)"
  }
}

/// The answer of all layers together.
package struct EgressDecision: Hashable, Sendable {
  /// Nil: allowed.
  package var denial: DenialReason?
  /// The rule that decided, `policy-name/rule-id`, `agent/rule-id` or `guardrail/package`; nil: no rule matched.
  package var rule: String?
  /// Identifies the set of rules and guardrails that was asked.
  package var policyVersion: String
  /// A sentence for people: why, and what would change it.
  package var explanation: String
  /// How long the same question may be answered from memory. Nil: until the policy changes; zero: never.
  package var validFor: Duration?

  package var isAllowed: Bool { denial == nil }

  package init(
    denial: DenialReason?, rule: String?, policyVersion: String, explanation: String, validFor: Duration? = nil
  ) {
    self.denial = denial
    self.rule = rule
    self.policyVersion = policyVersion
    self.explanation = explanation
    self.validFor = validFor
  }
}

/// What one layer says. Deny wins over allow, and silence is not consent.
package enum LayerVerdict: Hashable, Sendable {
  case allow(rule: String, explanation: String)
  case deny(DenialReason, rule: String, explanation: String)
  case abstain
}

/// A policy layer that is evaluated outside the event loops: Rego in process, or an OPA server.
package protocol Guardrail: Sendable {
  /// Changes whenever an answer could.
  var version: String { get }
  /// Never throws: what cannot be asked is `deny(.policyUnavailable, …)`.
  func evaluate(_ request: EgressRequest) async -> GuardrailAnswer
}

/// A guardrail's verdict with how long it holds.
package struct GuardrailAnswer: Hashable, Sendable {
  package var verdict: LayerVerdict
  /// Zero: ask again each time.
  package var validFor: Duration

  package init(_ verdict: LayerVerdict, validFor: Duration) {
    self.verdict = verdict
    self.validFor = validFor
  }
}

package import PalanaAPI

/// A rule with the place where it is written.
package struct EgressRuleEntry: Codable, Hashable, Sendable {
  /// `agent`, `template/NAME` or `policy/NAME`. Only rules of `agent` can be removed through the agent.
  package var source: String
  package var rule: EgressRule

  package init(source: String, rule: EgressRule) {
    self.source = source
    self.rule = rule
  }
}

/// The rules that apply to an agent.
package struct EgressRuleList: Codable, Hashable, Sendable {
  package var items: [EgressRuleEntry]
  package init(items: [EgressRuleEntry]) { self.items = items }
}

/// What would be asked of the gateway.
package struct EgressTestRequest: Codable, Hashable, Sendable {
  /// Upper case, for example `GET`.
  package var method: String
  /// Absolute, `http` or `https`.
  package var url: String
  /// Full names of the refs that a push would change; only for `POST …/git-receive-pack`.
  package var refs: [String]?

  package init(method: String, url: String, refs: [String]? = nil) {
    self.method = method
    self.url = url
    self.refs = refs
  }
}

/// What the gateway would decide.
package struct EgressTestResult: Codable, Hashable, Sendable {
  /// What one layer said.
  package struct Step: Codable, Hashable, Sendable {
    /// `preflight` (what no rule can allow), `rules`, `guardrail[N]` or `address`.
    package var layer: String
    /// `allow`, `deny` or `abstain`.
    package var verdict: String
    package var rule: String?
    package var explanation: String

    package init(layer: String, verdict: String, rule: String?, explanation: String) {
      self.layer = layer
      self.verdict = verdict
      self.rule = rule
      self.explanation = explanation
    }
  }

  package var allowed: Bool
  /// From the closed list of denial reasons; absent when allowed.
  package var reason: String?
  /// `policy-name/rule-id`, `agent/rule-id` or `guardrail/package`; absent when no rule matched.
  package var rule: String?
  package var policyVersion: String
  /// A sentence for people.
  package var explanation: String
  /// Where it was decided: `authority` when the tunnel itself would be refused, else `request`.
  package var stage: String
  /// The canonical host and port that were decided on; empty and 0 when they have no canonical form.
  package var host: String
  package var port: Int
  /// Every layer in order.
  package var steps: [Step]

  package init(
    allowed: Bool, reason: String? = nil, rule: String? = nil, policyVersion: String, explanation: String,
    stage: String, host: String, port: Int, steps: [Step]
  ) {
    self.allowed = allowed
    self.reason = reason
    self.rule = rule
    self.policyVersion = policyVersion
    self.explanation = explanation
    self.stage = stage
    self.host = host
    self.port = port
    self.steps = steps
  }
}

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
  /// What it is in terms of Git; nil for every other request.
  package var git: GitOperation?

  package init(
    subject: PolicySubject, stage: Stage, scheme: Scheme, authority: Authority, method: String? = nil,
    path: String? = nil, git: GitOperation? = nil
  ) {
    self.subject = subject
    self.stage = stage
    self.scheme = scheme
    self.authority = authority
    self.method = method
    self.path = path
    self.git = git
  }
}

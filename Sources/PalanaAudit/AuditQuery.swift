package import PalanaCore

/// Which events are wanted. Every condition that is given must hold.
package struct AuditQuery: Codable, Hashable, Sendable {
  /// Name or identifier of an agent.
  package var agent: String?
  package var owner: UserIdentity?
  /// An exact host, or `*.example.com` for every name below it.
  package var host: String?
  package var component: AuditEvent.Component?
  package var decision: AuditEvent.Decision?
  package var severity: AuditEvent.Severity?
  /// Only what was collected from the pod of this name.
  package var pod: String?
  /// Inclusive.
  package var since: Timestamp?
  /// Exclusive.
  package var until: Timestamp?
  /// Only records after this one.
  package var afterSeq: Int64?
  /// Only records before this one.
  package var beforeSeq: Int64?
  /// The newest so many (with `afterSeq`: the oldest so many). 0: all of them. Nil: 100.
  package var limit: Int?

  package init(
    agent: String? = nil, owner: UserIdentity? = nil, host: String? = nil, component: AuditEvent.Component? = nil,
    decision: AuditEvent.Decision? = nil, severity: AuditEvent.Severity? = nil, pod: String? = nil,
    since: Timestamp? = nil, until: Timestamp? = nil, afterSeq: Int64? = nil, beforeSeq: Int64? = nil, limit: Int? = nil
  ) {
    self.agent = agent
    self.owner = owner
    self.host = host
    self.component = component
    self.decision = decision
    self.severity = severity
    self.pod = pod
    self.since = since
    self.until = until
    self.afterSeq = afterSeq
    self.beforeSeq = beforeSeq
    self.limit = limit
  }
}

/// Whose events the asking person may see. Not optional anywhere, so that nobody forgets to decide.
package enum AuditScope: Hashable, Sendable {
  /// Operators.
  case everything
  /// Events of this owner's agents, and events without an agent in which this person acted.
  case owner(UserIdentity)
}

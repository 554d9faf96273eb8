package import PalanaAudit
package import PalanaCore

/// Which audit events are wanted. All given conditions must hold.
package struct AuditQuery: Hashable, Sendable {
  /// Name of an agent.
  package var agent: String?
  /// Raw identity of the owner of the agent.
  package var owner: UserIdentity?
  package var host: String?
  package var component: AuditEvent.Component?
  package var decision: AuditEvent.Decision?
  package var since: Timestamp?
  package var until: Timestamp?
  /// The newest so many; 1 to 100,000. Nil: 1,000.
  package var limit: Int?
  /// Keeps the stream open for events to come.
  package var follow: Bool

  package init(
    agent: String? = nil, owner: UserIdentity? = nil, host: String? = nil, component: AuditEvent.Component? = nil,
    decision: AuditEvent.Decision? = nil, since: Timestamp? = nil, until: Timestamp? = nil, limit: Int? = nil,
    follow: Bool = false
  ) {
    self.agent = agent
    self.owner = owner
    self.host = host
    self.component = component
    self.decision = decision
    self.since = since
    self.until = until
    self.limit = limit
    self.follow = follow
  }

  /// The query parameters of this query, for a client.
  package var queryItems: [(name: String, value: String)] {
    var items: [(name: String, value: String)] = []
    func add(_ name: String, _ value: String?) { if let value { items.append((name, value)) } }
    add("agent", agent)
    add("owner", owner?.raw)
    add("host", host)
    add("component", component?.rawValue)
    add("decision", decision?.rawValue)
    add("since", since?.description)
    add("until", until?.description)
    add("limit", limit.map(String.init))
    if follow { items.append(("follow", "true")) }
    return items
  }

  /// As the route table describes them.
  static let parameters: [Route.Query] = [
    .init("agent", .string, "Name of an agent."),
    .init("owner", .string, "Raw identity of the owner; operators may give any."),
    .init("host", .string, "Host of the request."),
    .init("component", .string, "Component that wrote the event."),
    .init("decision", .string, "allow, deny, error or info."),
    .init("since", .string, "RFC 3339 time, inclusive."), .init("until", .string, "RFC 3339 time, exclusive."),
    .init("limit", .integer, "The newest so many, 1 to 100000; absent: 1000."),
    .init("follow", .boolean, "Keeps the stream open."),
  ]
}

/// Whether the hash chain holds.
package struct AuditVerification: Codable, Hashable, Sendable {
  package var ok: Bool
  package var events: Int
  package var firstSeq: Int64?
  package var lastSeq: Int64?
  /// What is wrong and where; absent when nothing is.
  package var problem: String?

  package init(ok: Bool, events: Int, firstSeq: Int64? = nil, lastSeq: Int64? = nil, problem: String? = nil) {
    self.ok = ok
    self.events = events
    self.firstSeq = firstSeq
    self.lastSeq = lastSeq
    self.problem = problem
  }
}

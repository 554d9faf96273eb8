package import PalanaAudit
import PalanaCore

/// What is asked of `/v1/audit`.
package struct AuditRequest: Hashable, Sendable {
  /// Which events.
  package var query: AuditQuery
  /// Keeps the stream open for events to come.
  package var follow: Bool

  package init(_ query: AuditQuery, follow: Bool = false) {
    self.query = query
    self.follow = follow
  }

  /// The query parameters, for a client.
  package var queryItems: [(name: String, value: String)] {
    var items: [(name: String, value: String)] = []
    func add(_ name: String, _ value: String?) { if let value { items.append((name, value)) } }
    add("agent", query.agent)
    add("owner", query.owner?.raw)
    add("host", query.host)
    add("component", query.component?.rawValue)
    add("decision", query.decision?.rawValue)
    add("severity", query.severity?.rawValue)
    add("pod", query.pod)
    add("since", query.since?.description)
    add("until", query.until?.description)
    add("afterSeq", query.afterSeq.map(String.init))
    add("beforeSeq", query.beforeSeq.map(String.init))
    add("limit", query.limit.map(String.init))
    if follow { items.append(("follow", "true")) }
    return items
  }

  /// As the route table describes them.
  static let parameters: [Route.Query] = [
    .init("agent", .string, "Name or identifier of an agent."),
    .init("owner", .string, "Raw identity of the owner of the agent."),
    .init("host", .string, "Host of the request, or *.example.com for every name below it."),
    .init("component", .string, "Component that wrote the event."),
    .init("decision", .string, "allow, deny, error or info."), .init("severity", .string, "normal or critical."),
    .init("pod", .string, "Name of the pod from which it was collected."),
    .init("since", .string, "RFC 3339 time, inclusive."), .init("until", .string, "RFC 3339 time, exclusive."),
    .init("afterSeq", .integer, "Only records after this number; the oldest of them when there is a limit."),
    .init("beforeSeq", .integer, "Only records before this number."),
    .init("limit", .integer, "The newest so many (with afterSeq: the oldest); 0: all; absent: 100."),
    .init("follow", .boolean, "Keeps the stream open."),
  ]
}

/// Whether the hash chain holds.
package struct AuditVerifyResult: Codable, Hashable, Sendable {
  package var ok: Bool
  /// Events that were checked.
  package var events: Int64
  package var firstSeq: Int64?
  package var lastSeq: Int64?
  /// Hash of the last event.
  package var head: String?
  /// The first hundred, in order.
  package var problems: [AuditVerification.Problem]
  /// All of them.
  package var problemCount: Int64

  package init(_ verification: AuditVerification) {
    ok = verification.isIntact
    events = verification.checked
    firstSeq = verification.firstSeq
    lastSeq = verification.lastSeq
    head = verification.head
    problems = verification.problems
    problemCount = verification.problemCount
  }
}

/// How far a chain was collected.
package struct AuditPosition: Codable, Hashable, Sendable {
  /// Number of the last record that was taken; 0: none.
  package var seq: Int64
  /// Its hash, 64 hexadecimal digits.
  package var hash: String

  package init(seq: Int64, hash: String) {
    self.seq = seq
    self.hash = hash
  }
}

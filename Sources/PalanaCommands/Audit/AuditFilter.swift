import ArgumentParser
import PalanaAudit
import PalanaControlAPI
import PalanaCore

extension AuditEvent.Component: ExpressibleByArgument {}
extension AuditEvent.Decision: ExpressibleByArgument {}
extension AuditEvent.Severity: ExpressibleByArgument {}

/// Which events are wanted.
struct AuditFilter: ParsableArguments {
  @Option(help: ArgumentHelp("Events of this agent.", valueName: "name"), completion: AgentNames.completion)
  var agent: String?
  @Option(help: ArgumentHelp("Events of this owner's agents.", valueName: "identity")) var owner: String?
  @Option(help: ArgumentHelp("Requests to this host, or *.example.com.", valueName: "host")) var host: String?
  @Option(help: ArgumentHelp("egress, secrets, lifecycle, policy, auth, kill, …", valueName: "component"))
  var component: AuditEvent.Component?
  @Option(help: ArgumentHelp("allow, deny, error or info.", valueName: "decision")) var decision: AuditEvent.Decision?
  @Option(help: ArgumentHelp("normal or critical.", valueName: "severity")) var severity: AuditEvent.Severity?
  @Option(help: ArgumentHelp("In a cluster: events that came from this pod.", valueName: "name")) var pod: String?
  @Option(help: ArgumentHelp("Only from this time on: 1h (ago), or an RFC 3339 time.", valueName: "time"))
  var since: String?
  @Option(help: ArgumentHelp("Only before this time.", valueName: "time")) var until: String?
  @Option(help: ArgumentHelp("The newest so many; without --since and --all: 100.", valueName: "n")) var limit: Int?
  @Flag(help: "All of them, from the first on.") var all = false

  func validate() throws {
    if let limit, limit < 1 { throw ValidationError("--limit is at least 1") }
    if limit != nil, all { throw ValidationError("--limit and --all exclude each other") }
  }

  /// The query of the request.
  /// - Throws: ``PalanaError`` with code `invalid`.
  func query(now: Timestamp, follow: Bool) throws -> [QueryItem] {
    // Whoever names a beginning wants everything from there on.
    let limit = limit ?? (all || since != nil ? 0 : 100)
    let query = AuditQuery(
      agent: agent, owner: try owner.map { try UserIdentity($0) }, host: host, component: component, decision: decision,
      severity: severity, pod: pod,
      since: try since.map { try PointInTime.parse($0, option: "--since", now: now) },
      until: try until.map { try PointInTime.parse($0, option: "--until", now: now) }, limit: limit)
    return AuditRequest(query, follow: follow).queryItems
  }
}

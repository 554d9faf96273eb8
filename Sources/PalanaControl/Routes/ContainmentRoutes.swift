import Hummingbird
import PalanaAudit
import PalanaControlAPI
import PalanaCore

/// Kill switch and audit trail.
enum ContainmentRoutes {
  static func handlers(_ kills: KillService, _ audit: AuditService) -> RouteHandlers {
    [
      .kill: { call in
        let request = try await call.body(KillRequest.self)
        return try call.answer(
          await kills.kill(request, owner: call.owner, by: call.caller, accepted: call.accepted))
      },
      .unkill: { call in
        let request = try await call.body(KillRequest.self)
        return try call.answer(
          await kills.unkill(request, owner: call.owner, by: call.caller, accepted: call.accepted))
      },
      .audit: { call in try await trail(call, audit) },
      .verifyAudit: { call in try call.answer(await audit.verify()) },
    ]
  }

  private static func trail(_ call: RouteCall, _ audit: AuditService) async throws -> Response {
    let request = try self.request(call.query)
    let parts = try await audit.lines(request, by: call.caller)
    return StreamingAnswer.response(to: call.request, mediaType: "application/x-ndjson") { _, emit in
      do {
        for part in parts {
          for try await line in part { try await emit(line + [10]) }
        }
      } catch {
        await StreamingAnswer.fail(error, emit)
      }
    }
  }

  /// The query as the route table describes it.
  private static func request(_ query: QueryReader) throws(PalanaError) -> AuditRequest {
    AuditRequest(
      AuditQuery(
        agent: query.text("agent"), owner: try query.user("owner"), host: query.text("host"),
        component: try query.choice("component", AuditEvent.Component.self),
        decision: try query.choice("decision", AuditEvent.Decision.self),
        severity: try query.choice("severity", AuditEvent.Severity.self), pod: query.text("pod"),
        since: try query.time("since"),
        until: try query.time("until"), afterSeq: try query.integer("afterSeq", in: 0...Int.max).map(Int64.init),
        beforeSeq: try query.integer("beforeSeq", in: 0...Int.max).map(Int64.init),
        limit: try query.integer("limit", in: 0...Int.max)),
      follow: try query.flag("follow"))
  }
}

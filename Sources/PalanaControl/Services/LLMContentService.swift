import PalanaAudit
package import PalanaControlAPI
package import PalanaCore

/// What agents asked models and what they were answered, where routes keep it. For operators; who reads what was said is written down before
/// it is given.
package struct LLMContentService: Sendable {
  let source: LLMService.Source
  let trail: AuditTrail

  /// - Throws: ``PalanaError``: `notFound` without routes, `unreachable`, `failed`.
  package func list(_ query: LLMContentQuery) async throws(PalanaError) -> LLMContentList { try await source.probe.content.list(query) }

  /// - Throws: ``PalanaError``: `notFound`; `unreachable` when it cannot be written down who reads; `failed`.
  package func record(_ id: String, by caller: Caller) async throws(PalanaError) -> LLMContent {
    let record = try await source.probe.content.record(id)
    let call = record.call
    var agent: AuditEvent.AgentRef?
    if let id = AgentID(parsing: call.agentID) {
      agent = AuditEvent.AgentRef(id: id, name: call.agent, owner: try UserIdentity(call.owner))
    }
    try trail.allow(.llm, "content-read", by: caller, agent: agent, details: ["call": call.id, "route": call.route, "model": call.model])
    return record
  }
}

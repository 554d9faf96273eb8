import PalanaControlAPI

/// Attacks on live agents.
enum AttackRoutes {
  static func handlers(_ attacks: AttackService) -> RouteHandlers {
    [
      .attackAgent: { call in
        let agent = try await attacks.target(call.name, owner: call.owner, by: call.caller)
        let caller = call.caller
        return StreamingAnswer.response(to: call.request, mediaType: "application/x-ndjson") { _, emit in
          do {
            try await attacks.attack(agent, by: caller) { record in try await emit(JSONAnswer.encode(record) + [10]) }
          } catch {
            await StreamingAnswer.fail(error, emit)
          }
        }
      }
    ]
  }
}

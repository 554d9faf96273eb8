import PalanaAPI
import PalanaControlAPI

/// Egress rules of agents.
enum EgressRoutes {
  static func handlers(_ egress: EgressRuleService) -> RouteHandlers {
    [
      .listEgressRules: { call in
        try call.answer(await egress.list(of: call.name, owner: call.owner, by: call.caller))
      },
      .addEgressRule: { call in
        let rule = try await call.body(EgressRule.self)
        return try call.answer(await egress.add(rule, to: call.name, owner: call.owner, by: call.caller))
      },
      .removeEgressRule: { call in
        try call.answer(
          await egress.remove(call.parameter("id"), of: call.name, owner: call.owner, by: call.caller))
      },
      .testEgress: { call in
        let request = try await call.body(EgressTestRequest.self)
        return try call.answer(await egress.test(request, of: call.name, owner: call.owner, by: call.caller))
      },
    ]
  }
}

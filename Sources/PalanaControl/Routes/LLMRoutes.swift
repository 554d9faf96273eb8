import HTTPTypes
import Hummingbird
import NIOCore
import PalanaAPI
import PalanaControlAPI
import PalanaCore

/// Language models: what was used, budgets, credentials of routes, what was said, metrics.
enum LLMRoutes {
  static func handlers(_ models: LLMService, _ credentials: LLMCredentialService, _ content: LLMContentService) -> RouteHandlers {
    [
      .llmUsage: { call in try call.answer(await models.usage(try usage(call.query), by: call.caller)) },
      .llmBudgets: { call in try call.answer(await models.budgets(named: call.query.text("budget"), by: call.caller)) },
      .llmCalls: { call in
        let limit = try call.query.integer("limit", in: 1...1000) ?? 50
        return try call.answer(
          await models.calls(owner: call.owner, agent: call.query.text("agent"), limit: limit, by: call.caller))
      },
      .listLLMContent: { call in
        let query = LLMContentQuery(
          agent: call.query.text("agent"), model: call.query.text("model"), since: try call.query.time("since"),
          limit: try call.query.integer("limit", in: 1...1000) ?? 50)
        return try call.answer(await content.list(query))
      },
      .getLLMContent: { call in try call.answer(await content.record(call.parameter("id"), by: call.caller)) },
      .listLLMCredentials: { call in try call.answer(await credentials.list()) },
      .setLLMCredential: { call in
        let request = try await body(call)
        return try call.answer(
          await credentials.set(call.parameter("secret"), of: call.parameter("route"), request, by: call.caller))
      },
      .deleteLLMCredential: { call in
        try call.answer(await credentials.delete(call.parameter("secret"), of: call.parameter("route"), by: call.caller))
      },
      .metrics: { _ in
        Response(
          status: .ok, headers: [.contentType: PrometheusText.mediaType],
          body: .init(byteBuffer: ByteBuffer(string: PrometheusText.text(await models.metrics()))))
      },
    ]
  }

  private static func usage(_ query: QueryReader) throws(PalanaError) -> LLMUsageQuery {
    LLMUsageQuery(
      by: try query.choice("by", LLMUsageQuery.Grouping.self) ?? .agent, from: try query.time("from"), to: try query.time("to"),
      owner: try query.user("owner"), agent: query.text("agent"), model: query.text("model"), route: query.text("route"),
      limit: try query.integer("limit", in: 1...1000) ?? 100)
  }

  private static func body(_ call: RouteCall) async throws -> LLMCredentialRequest {
    do {
      return try await JSONBody.decode(LLMCredentialRequest.self, from: call.request, limit: call.limits.secretBodyBytes)
    } catch let error as PalanaError {
      // What is wrong with a body may be said by quoting it. Not with this one.
      throw PalanaError(error.code, "the body is not a valid LLMCredentialRequest", hint: "known fields: value, key; both are texts")
    }
  }
}

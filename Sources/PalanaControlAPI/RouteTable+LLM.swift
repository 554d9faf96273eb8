extension Route {
  static let llm: [Route] = [
    Route(
      .llmUsage, .get, "/v1/llm/usage",
      "What was used of language models: the dearest first, or by day and hour the earliest. Of one's own agents; operators: of all.",
      query: [
        Query("by", .string, "agent (the default), owner, model, route, template, investigation, day or hour."),
        Query("from", .string, "RFC 3339 time; from the hour in which it lies."), Query("to", .string, "RFC 3339 time, exclusive."),
        Query("owner", .string, "Raw identity of the owner; operators only, for others than themselves."),
        Query("agent", .string, "Name or identifier of an agent."), Query("model", .string, "A model, as the upstream was asked for it."),
        Query("route", .string, "Name of a route."), Query("limit", .integer, "At most so many, 1 to 1000; absent: 100."),
      ], response: .json("LLMUsageReport")),
    Route(
      .llmBudgets, .get, "/v1/llm/budgets",
      "Where each limit of each budget stands that counts agents of the caller; for operators: of every budget.",
      query: [Query("budget", .string, "Name of one budget.")], response: .json("LLMBudgetReport")),
    Route(
      .llmCalls, .get, "/v1/llm/calls", "The newest calls, oldest first. Of one's own agents; operators: of all.",
      query: [
        Query("owner", .string, "Raw identity of the owner; operators only, for others than themselves."),
        Query("agent", .string, "Name or identifier of an agent."), Query("limit", .integer, "The newest so many, 1 to 1000; absent: 50."),
      ], response: .json("LLMCallList")),
    Route(
      .listLLMContent, .get, "/v1/llm/content",
      "Calls of which it is kept what was said: the newest, oldest first, without what was said.", access: .operator,
      query: [
        Query("agent", .string, "Name or identifier of an agent."), Query("model", .string, "A model, as the upstream was asked for it."),
        Query("since", .string, "RFC 3339 time."), Query("limit", .integer, "The newest so many, 1 to 1000; absent: 50."),
      ], response: .json("LLMContentList")),
    Route(
      .getLLMContent, .get, "/v1/llm/content/{id}",
      "What an agent asked a model in one call, and what it was answered. Who reads it is written down.", access: .operator,
      response: .json("LLMContent")),
    Route(
      .listLLMCredentials, .get, "/v1/llm/credentials", "The credentials of routes, without values.", access: .operator,
      response: .json("LLMCredentialList")),
    Route(
      .setLLMCredential, .put, "/v1/llm/credentials/{route}/{secret}", "Stores or replaces a credential of a route.", access: .operator,
      request: .json("LLMCredentialRequest"), response: .json("LLMCredentialItem")),
    Route(
      .deleteLLMCredential, .delete, "/v1/llm/credentials/{route}/{secret}", "Removes a credential of a route with its values.",
      access: .operator, response: .json("DeleteResult")),
    Route(
      .metrics, .get, "/metrics", "Metrics in the text format of Prometheus.", access: .operator, response: .metrics),
  ]
}

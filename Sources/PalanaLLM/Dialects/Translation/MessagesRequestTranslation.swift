import PalanaCore

/// A request of anthropic-messages as one of openai-chat.
struct MessagesRequestTranslation {
  var options: Translation

  /// Members that are read below, or that are hints to a provider and change nothing in what a model is asked.
  private static let known: Set<String> = [
    "model", "messages", "max_tokens", "system", "stream", "temperature", "top_p", "stop_sequences", "tools", "tool_choice", "metadata",
    "output_config", "service_tier",
    // Hints.
    "thinking", "cache_control", "context_management", "diagnostics",
  ]

  func translate(_ object: JSONObject) throws(DialectError) -> JSONObject {
    let request = RequestFields(object: object)
    try request.refuseOthers(than: Self.known)
    try request.refuse("service_tier", unless: ["auto", "standard_only"])
    var result: JSONObject = ["model": .string(try request.requiredText("model"))]
    result["messages"] = .array(try MessagesTurns(request).messages.map { .object($0) })
    result.set(options.chatLimit.rawValue, try request.number("max_tokens").map { .number($0) })
    if let isStreaming = try request.flag("stream") {
      result["stream"] = .bool(isStreaming)
      // A stream of anthropic-messages always says it.
      if isStreaming { result["stream_options"] = ["include_usage": true] }
    }
    result.set("temperature", try request.number("temperature").map { .number($0) })
    result.set("top_p", try request.number("top_p").map { .number($0) })
    if let stop = try request.list("stop_sequences"), !stop.isEmpty {
      guard stop.count <= 4 else { throw .untranslatable("stop_sequences", "it takes four at most") }
      result["stop"] = .array(stop)
    }
    try setTools(request, &result)
    if let metadata = try request.fields("metadata") { result.set("user", try metadata.text("user_id").map { .string($0) }) }
    if let config = try request.fields("output_config") { try setOutput(config, &result) }
    return result
  }

  private func setTools(_ request: RequestFields, _ result: inout JSONObject) throws(DialectError) {
    var tools: [JSONValue] = []
    for tool in try request.items("tools") ?? [] {
      guard try tool.text("type") ?? "custom" == "custom" else {
        throw .untranslatable(tool.path("type"), "tools that a provider runs are its own")
      }
      try tool.refuseOthers(than: [
        "type", "name", "description", "input_schema", "strict", "cache_control", "eager_input_streaming", "input_examples",
      ])
      var function: JSONObject = ["name": .string(try tool.requiredText("name"))]
      function.set("description", try tool.text("description").map { .string($0) })
      function["parameters"] = .object(try tool.requiredFields("input_schema").object)
      if try tool.flag("strict") == true { function["strict"] = true }
      tools.append(["type": "function", "function": .object(function)])
    }
    guard !tools.isEmpty else { return }
    result["tools"] = .array(tools)
    guard let choice = try request.fields("tool_choice") else { return }
    switch try choice.requiredText("type") {
    case "auto": result["tool_choice"] = "auto"
    case "none": result["tool_choice"] = "none"
    case "any": result["tool_choice"] = "required"
    case "tool":
      result["tool_choice"] = ["type": "function", "function": ["name": .string(try choice.requiredText("name"))]]
    default: throw .wrongType("tool_choice.type", "auto, any, tool or none")
    }
    if try choice.flag("disable_parallel_tool_use") == true { result["parallel_tool_calls"] = false }
  }

  private func setOutput(_ config: RequestFields, _ result: inout JSONObject) throws(DialectError) {
    try config.refuseOthers(than: ["effort", "format"])
    result.set("reasoning_effort", try config.text("effort").map { .string($0) })
    guard let format = try config.fields("format") else { return }
    guard try format.requiredText("type") == "json_schema" else { throw .untranslatable(format.path("type"), "only json_schema can") }
    let schema = try format.requiredFields("schema").object
    result["response_format"] = [
      "type": "json_schema", "json_schema": ["name": "answer", "schema": .object(schema), "strict": true],
    ]
  }
}

import PalanaCore

/// A request of openai-chat as one of anthropic-messages.
struct ChatRequestTranslation {
  var options: Translation

  /// Members that are read below, or that are hints to a provider and change nothing in what a model does.
  private static let known: Set<String> = [
    "model", "messages", "max_tokens", "max_completion_tokens", "stream", "stream_options", "temperature", "top_p", "stop", "tools",
    "tool_choice", "parallel_tool_calls", "user", "safety_identifier", "response_format", "reasoning_effort", "n", "frequency_penalty",
    "presence_penalty", "logit_bias", "logprobs", "top_logprobs", "store", "service_tier", "modalities", "verbosity",
    // Hints.
    "seed", "metadata", "prediction", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options",
  ]

  func translate(_ object: JSONObject) throws(DialectError) -> JSONObject {
    let request = RequestFields(object: object)
    if request["functions"] != nil || request["function_call"] != nil {
      let member = request["functions"] == nil ? "function_call" : "functions"
      throw .untranslatable(member, "use ‘tools’, which replaced it")
    }
    try request.refuseOthers(than: Self.known)
    try refuseWhatCannotBeHad(request)
    let messages = try ChatMessages(request)
    var result: JSONObject = ["model": .string(try request.requiredText("model"))]
    let oldLimit = try request.number("max_tokens")
    let limit = try request.number("max_completion_tokens") ?? oldLimit
    result["max_tokens"] = limit.map { .number($0) } ?? .number(JSONNumber(options.defaultMaxTokens))
    result.set("system", messages.systemValue)
    result["messages"] = .array(messages.turns.map(\.value))
    result.set("stream", try request.flag("stream").map { .bool($0) })
    if let temperature = try request.number("temperature") {
      guard let value = temperature.double, value <= 1 else { throw .untranslatable("temperature", "it takes 1 at most") }
      result["temperature"] = .number(temperature)
    }
    result.set("top_p", try request.number("top_p").map { .number($0) })
    result.set("stop_sequences", try stop(request))
    try setTools(request, &result)
    let safetyIdentifier = try request.text("safety_identifier")
    if let user = try request.text("user") ?? safetyIdentifier { result["metadata"] = ["user_id": .string(user)] }
    try setOutput(request, &result)
    return result
  }

  private func refuseWhatCannotBeHad(_ request: RequestFields) throws(DialectError) {
    try request.refuse("n", unless: [1], "it gives one answer to a call")
    try request.refuse("frequency_penalty", unless: [0, .number(JSONNumber(0.0) ?? JSONNumber(0))])
    try request.refuse("presence_penalty", unless: [0, .number(JSONNumber(0.0) ?? JSONNumber(0))])
    try request.refuse("logit_bias", unless: [[:]])
    try request.refuse("logprobs", unless: [false])
    try request.refuse("top_logprobs", unless: [0])
    try request.refuse("store", unless: [false], "it stores no answers")
    try request.refuse("service_tier", unless: ["auto", "default"])
    try request.refuse("modalities", unless: [["text"]], "it answers with text")
    try request.refuse("verbosity", unless: ["medium"])
  }

  private func stop(_ request: RequestFields) throws(DialectError) -> JSONValue? {
    switch request["stop"] {
    case nil: return nil
    case .string(let text): return [.string(text)]
    case .array(let list) where list.allSatisfy { $0.string != nil }: return list.isEmpty ? nil : .array(list)
    default: throw .wrongType("stop", "text or a list of texts")
    }
  }

  private func setTools(_ request: RequestFields, _ result: inout JSONObject) throws(DialectError) {
    var tools: [JSONValue] = []
    for tool in try request.items("tools") ?? [] {
      guard try tool.requiredText("type") == "function" else { throw .untranslatable(tool.path("type"), "only functions can") }
      let function = try tool.requiredFields("function")
      var translated: JSONObject = ["name": .string(try function.requiredText("name"))]
      translated.set("description", try function.text("description").map { .string($0) })
      translated["input_schema"] = try function.fields("parameters").map { .object($0.object) } ?? ["type": "object", "properties": [:]]
      if try function.flag("strict") == true { translated["strict"] = true }
      try function.refuseOthers(than: ["name", "description", "parameters", "strict"])
      tools.append(.object(translated))
    }
    guard !tools.isEmpty else { return }
    result["tools"] = .array(tools)
    var choice = try toolChoice(request)
    if try request.flag("parallel_tool_calls") == false, choice?["type"] != "none" {
      choice = choice ?? ["type": "auto"]
      choice?["disable_parallel_tool_use"] = true
    }
    result.set("tool_choice", choice.map { .object($0) })
  }

  private func toolChoice(_ request: RequestFields) throws(DialectError) -> JSONObject? {
    switch request["tool_choice"] {
    case nil: return nil
    case .string("auto"): return ["type": "auto"]
    case .string("none"): return ["type": "none"]
    case .string("required"): return ["type": "any"]
    case .object(let object):
      let choice = RequestFields(object: object, prefix: "tool_choice.")
      guard try choice.requiredText("type") == "function" else { throw .untranslatable("tool_choice.type", "only functions can be chosen") }
      return ["type": "tool", "name": .string(try choice.requiredFields("function").requiredText("name"))]
    default: throw .wrongType("tool_choice", "none, auto, required or a function")
    }
  }

  /// How the model answers: its format, and how much it thinks before.
  private func setOutput(_ request: RequestFields, _ result: inout JSONObject) throws(DialectError) {
    var config = JSONObject()
    if let format = try request.fields("response_format") {
      switch try format.requiredText("type") {
      case "text": break
      case "json_schema":
        let schema = try format.requiredFields("json_schema").requiredFields("schema")
        config["format"] = ["type": "json_schema", "schema": .object(schema.object)]
      case "json_object":
        throw .untranslatable("response_format.type", "JSON without a schema; use json_schema")
      default: throw .untranslatable("response_format.type", "only text and json_schema can")
      }
    }
    switch try request.text("reasoning_effort") {
    case nil: break
    case "none": result["thinking"] = ["type": "disabled"]
    case "minimal": config["effort"] = "low"
    case let effort?: config["effort"] = .string(effort)
    }
    if !config.isEmpty { result["output_config"] = .object(config) }
  }
}

import PalanaAPI
import PalanaCore

/// What both dialects say in other words at the end of an answer.
enum AnswerWords {
  /// `finish_reason` for a `stop_reason`.
  static func finishReason(_ stopReason: String) -> String {
    switch stopReason {
    case "max_tokens", "model_context_window_exceeded": "length"
    case "tool_use": "tool_calls"
    case "refusal": "content_filter"
    default: "stop"
    }
  }

  /// `stop_reason` for a `finish_reason`. Some providers end with `stop` where they call tools.
  static func stopReason(_ finishReason: String, callsTools: Bool) -> String {
    switch finishReason {
    case "length": "max_tokens"
    case "content_filter": "refusal"
    case "tool_calls", "function_call": "tool_use"
    default: callsTools ? "tool_use" : "end_turn"
    }
  }

  /// A usage in the words of openai-chat.
  static func chatUsage(_ usage: TokenUsage) -> JSONValue {
    [
      "prompt_tokens": number(usage.input), "completion_tokens": number(usage.output), "total_tokens": number(usage.total),
      "prompt_tokens_details": ["cached_tokens": number(usage.cachedInput), "cache_write_tokens": number(usage.cacheWrite)],
      "completion_tokens_details": ["reasoning_tokens": number(usage.reasoning)],
    ]
  }

  /// A usage in the words of anthropic-messages, whose input does not contain the cached part.
  static func messagesUsage(_ usage: TokenUsage) -> JSONValue {
    var value: JSONObject = [
      "input_tokens": number(usage.input - usage.cachedInput - usage.cacheWrite),
      "cache_creation_input_tokens": number(usage.cacheWrite), "cache_read_input_tokens": number(usage.cachedInput),
      "output_tokens": number(usage.output),
    ]
    if usage.reasoning > 0 { value["output_tokens_details"] = ["thinking_tokens": number(usage.reasoning)] }
    return .object(value)
  }

  private static func number(_ tokens: Int64) -> JSONValue { .number(JSONNumber(tokens)) }
}

extension UsageFields {
  /// The numbers of a `usage` object that was decoded.
  init(_ value: JSONValue?) {
    guard let value, case .object = value else { return }
    var walk = AnswerWalk()
    // What was just decoded can be read.
    _ = try? walk.read(JSONValue.object(["usage": value]).encoded().span, at: .embeddings)
    self = walk.usage
  }
}

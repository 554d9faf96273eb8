import PalanaAPI
import PalanaCore

/// A whole answer of anthropic-messages as one of openai-chat.
struct MessagesAnswerTranslation {
  var options: Translation

  func translate(_ answer: JSONObject) throws(DialectError) -> JSONObject {
    guard let blocks = answer["content"]?.array, let id = answer["id"]?.string else {
      throw .malformedAnswer("‘content’ or ‘id’ is missing")
    }
    var texts = ""
    var thoughts = ""
    var calls: [JSONValue] = []
    for block in blocks {
      switch block["type"]?.string {
      case "text": texts += block["text"]?.string ?? ""
      case "thinking": thoughts += block["thinking"]?.string ?? ""
      case "tool_use":
        guard let id = block["id"], let name = block["name"], let input = block["input"] else {
          throw .malformedAnswer("a ‘tool_use’ lacks its id, name or input")
        }
        calls.append(["id": id, "type": "function", "function": ["name": name, "arguments": .string(ToolArguments.text(input))]])
      // Blocks of tools that the provider runs: no request that was translated asks for them.
      default: break
      }
    }
    var message: JSONObject = ["role": "assistant", "content": texts.isEmpty && !calls.isEmpty ? .null : .string(texts), "refusal": .null]
    if options.keepsReasoning, !thoughts.isEmpty { message["reasoning_content"] = .string(thoughts) }
    if !calls.isEmpty { message["tool_calls"] = .array(calls) }
    let reason = answer["stop_reason"]?.string.map(AnswerWords.finishReason) ?? "stop"
    var result: JSONObject = [
      "id": .string(id), "object": "chat.completion", "created": .number(JSONNumber(options.created)),
      "model": answer["model"] ?? "",
      "choices": [["index": 0, "message": .object(message), "logprobs": .null, "finish_reason": .string(reason)]],
    ]
    result.set("usage", UsageFields(answer["usage"]).usage(.anthropicMessages).map(AnswerWords.chatUsage))
    return result
  }
}

/// A whole answer of openai-chat as one of anthropic-messages.
struct ChatAnswerTranslation {
  func translate(_ answer: JSONObject) throws(DialectError) -> JSONObject {
    guard let choice = answer["choices"]?[0], let message = choice["message"]?.object else {
      throw .malformedAnswer("‘choices’ holds no message")
    }
    var blocks: [JSONValue] = []
    func add(_ text: String?) { if let text, !text.isEmpty { blocks.append(ChatMessages.text(text)) } }
    add(message["content"]?.string)
    for part in message["content"]?.array ?? [] { add(part["text"]?.string) }
    add(message["refusal"]?.string)
    let calls = message["tool_calls"]?.array ?? []
    for call in calls {
      guard let id = call["id"]?.string, let name = call["function"]?["name"] else {
        throw .malformedAnswer("a tool call lacks its id or name")
      }
      guard let input = ToolArguments.object(call["function"]?["arguments"]?.string ?? "") else {
        throw .malformedAnswer("the arguments of a tool call are no JSON object")
      }
      blocks.append(["type": "tool_use", "id": .string(ChatMessages.id(id)), "name": name, "input": input])
    }
    let reason = choice["finish_reason"]?.string ?? "stop"
    let isRefusal = message["refusal"]?.string.map { !$0.isEmpty } ?? false
    let stopReason = isRefusal ? "refusal" : AnswerWords.stopReason(reason, callsTools: !calls.isEmpty)
    let usage = UsageFields(answer["usage"]).usage(.openAIChat) ?? TokenUsage()
    return [
      "id": answer["id"] ?? "msg", "type": "message", "role": "assistant", "model": answer["model"] ?? "", "content": .array(blocks),
      "stop_reason": .string(stopReason), "stop_sequence": .null, "usage": AnswerWords.messagesUsage(usage),
    ]
  }
}

extension DialectError {
  static func malformedAnswer(_ why: String) -> Self { Self(.malformedAnswer, "the provider's answer cannot be understood: \(why)") }
}

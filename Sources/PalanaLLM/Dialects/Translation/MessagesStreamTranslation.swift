import NIOCore
import PalanaCore

/// A stream of anthropic-messages as one of openai-chat.
struct MessagesStreamTranslation: Sendable {
  var options: Translation
  var wantsUsage: Bool

  private var id = "chatcmpl"
  private var model = ""
  private var usage = UsageFields()
  /// The blocks that are calls of tools and have not ended, with their place among the calls.
  private var calls: [Int: Call] = [:]
  private var countOfCalls = 0
  private var hasFinish = false
  private var isOver = false

  private struct Call {
    var index: Int
    /// What the block said at its start; given when no other arguments come.
    var input: String
    var hasArguments = false
  }

  init(options: Translation, wantsUsage: Bool) {
    self.options = options
    self.wantsUsage = wantsUsage
  }

  mutating func take(_ event: StreamEvent) -> ByteBuffer {
    guard !isOver, let data = event.data else { return ByteBuffer() }
    guard let value = try? JSONValue(parsing: data.readableBytesView), case .object = value else { return fail(.unreadableEvent) }
    var writer = EventWriter()
    switch value["type"]?.string {
    case "message_start":
      id = value["message"]?["id"]?.string ?? id
      model = value["message"]?["model"]?.string ?? model
      usage.merge(UsageFields(value["message"]?["usage"]))
      chunk(["role": "assistant", "content": ""], &writer)
    case "content_block_start": start(value, &writer)
    case "content_block_delta": delta(value, &writer)
    case "content_block_stop":
      guard let place = value["index"]?.int, let call = calls.removeValue(forKey: place), !call.hasArguments else { break }
      arguments(call.input, of: call.index, &writer)
    case "message_delta":
      usage.merge(UsageFields(value["usage"]))
      guard let reason = value["delta"]?["stop_reason"]?.string else { break }
      hasFinish = true
      chunk([:], finish: AnswerWords.finishReason(reason), &writer)
    case "message_stop": end(&writer)
    case "error":
      let message = value["error"]?["message"]?.string ?? "the provider says that something went wrong"
      let type = value["error"]?["type"]?.string ?? "api_error"
      return fail(ErrorBody(status: type == "overloaded_error" ? 529 : 502, reason: type, message: message))
    // A comment keeps the connection alive and is passed over by readers.
    case "ping": writer.raw(": ping\n\n")
    default: break
    }
    return writer.buffer
  }

  mutating func finish() -> ByteBuffer {
    guard !isOver else { return ByteBuffer() }
    // Nothing is missing but the last event.
    guard hasFinish else { return fail(.brokenOff) }
    var writer = EventWriter()
    end(&writer)
    return writer.buffer
  }

  private mutating func end(_ writer: inout EventWriter) {
    isOver = true
    if wantsUsage, let usage = usage.usage(.anthropicMessages) {
      var value = head
      value["choices"] = []
      value["usage"] = AnswerWords.chatUsage(usage)
      writer.data(.object(value))
    }
    writer.raw("data: [DONE]\n\n")
  }

  private mutating func fail(_ error: ErrorBody) -> ByteBuffer {
    isOver = true
    return error.event(.openAIChat)
  }

  private var head: JSONObject {
    [
      "id": .string(id), "object": "chat.completion.chunk", "created": .number(JSONNumber(options.created)), "model": .string(model),
    ]
  }

  private func chunk(_ delta: JSONValue, finish: String? = nil, _ writer: inout EventWriter) {
    var value = head
    value["choices"] = [["index": 0, "delta": delta, "logprobs": .null, "finish_reason": finish.map { .string($0) } ?? .null]]
    writer.data(.object(value))
  }

  private func arguments(_ text: String, of index: Int, _ writer: inout EventWriter) {
    chunk(["tool_calls": [["index": .number(JSONNumber(index)), "function": ["arguments": .string(text)]]]], &writer)
  }

  private mutating func start(_ value: JSONValue, _ writer: inout EventWriter) {
    guard let block = value["content_block"], let place = value["index"]?.int else { return }
    switch block["type"]?.string {
    case "text": if let text = block["text"]?.string, !text.isEmpty { chunk(["content": .string(text)], &writer) }
    case "tool_use":
      let call = Call(index: countOfCalls, input: ToolArguments.text(block["input"] ?? [:]))
      countOfCalls += 1
      calls[place] = call
      chunk(
        [
          "tool_calls": [
            [
              "index": .number(JSONNumber(call.index)), "id": block["id"] ?? "", "type": "function",
              "function": ["name": block["name"] ?? "", "arguments": ""],
            ]
          ]
        ], &writer)
    default: break
    }
  }

  private mutating func delta(_ value: JSONValue, _ writer: inout EventWriter) {
    guard let delta = value["delta"] else { return }
    switch delta["type"]?.string {
    case "text_delta": if let text = delta["text"] { chunk(["content": text], &writer) }
    case "thinking_delta":
      if options.keepsReasoning, let text = delta["thinking"] { chunk(["reasoning_content": text], &writer) }
    case "input_json_delta":
      guard let text = delta["partial_json"]?.string, !text.isEmpty, let place = value["index"]?.int, let call = calls[place] else {
        return
      }
      calls[place]?.hasArguments = true
      arguments(text, of: call.index, &writer)
    default: break
    }
  }
}

import NIOCore
import PalanaAPI
import PalanaCore

/// A stream of openai-chat as one of anthropic-messages, whose blocks have a start and an end.
struct ChatStreamTranslation: Sendable {
  private enum Block: Equatable {
    case text
    /// The call's place in the upstream's list, and its id.
    case tool(index: Int, id: String)
  }

  private var id = "msg"
  private var hasStarted = false
  private var isOver = false
  /// The block that is open, and the number of the next one.
  private var open: Block?
  private var next = 0
  private var callsTools = false
  private var isRefusal = false
  private var finishReason: String?
  private var usage: TokenUsage?

  mutating func take(_ event: StreamEvent) -> ByteBuffer {
    var writer = EventWriter()
    guard !isOver else { return writer.buffer }
    guard let data = event.data else {
      // A comment, which keeps the connection alive.
      if hasStarted, event.isComplete, event.raw.readableBytes > 2 { writer.message("ping", [:]) }
      return writer.buffer
    }
    if event.isDone { return finish() }
    guard let value = try? JSONValue(parsing: data.readableBytesView), case .object = value else { return fail(.unreadableEvent) }
    if let error = value["error"], error != .null {
      return fail(ErrorBody(status: 502, answer: data))
    }
    if !hasStarted { start(value, &writer) }
    usage = UsageFields(value["usage"]).usage(.openAIChat) ?? usage
    guard let choice = value["choices"]?[0] else { return writer.buffer }
    let delta = choice["delta"]
    for name in ["content", "refusal"] {
      guard let text = delta?[name]?.string, !text.isEmpty else { continue }
      isRefusal = isRefusal || name == "refusal"
      begin(.text, ["type": "text", "text": ""], &writer)
      self.delta(["type": "text_delta", "text": .string(text)], &writer)
    }
    for call in delta?["tool_calls"]?.array ?? [] {
      guard take(call, &writer) else { return fail(ErrorBody(.malformedAnswer("parts of several tool calls are mixed")), after: writer) }
    }
    finishReason = choice["finish_reason"]?.string ?? finishReason
    return writer.buffer
  }

  mutating func finish() -> ByteBuffer {
    var writer = EventWriter()
    guard !isOver else { return writer.buffer }
    guard hasStarted, let finishReason else { return fail(.brokenOff) }
    isOver = true
    close(&writer)
    let reason = isRefusal ? "refusal" : AnswerWords.stopReason(finishReason, callsTools: callsTools)
    writer.message(
      "message_delta",
      [
        "delta": ["stop_reason": .string(reason), "stop_sequence": .null], "usage": AnswerWords.messagesUsage(usage ?? TokenUsage()),
      ])
    writer.message("message_stop", [:])
    return writer.buffer
  }

  private mutating func fail(_ error: ErrorBody, after writer: EventWriter = EventWriter()) -> ByteBuffer {
    isOver = true
    var writer = writer
    writer.add(error.event(.anthropicMessages))
    return writer.buffer
  }

  /// How much was sent is only known at the end.
  private mutating func start(_ value: JSONValue, _ writer: inout EventWriter) {
    hasStarted = true
    id = value["id"]?.string ?? id
    writer.message(
      "message_start",
      [
        "message": [
          "id": .string(id), "type": "message", "role": "assistant", "model": value["model"] ?? "", "content": [], "stop_reason": .null,
          "stop_sequence": .null, "usage": AnswerWords.messagesUsage(TokenUsage()),
        ]
      ])
  }

  /// Opens a block unless it is the one that is open.
  private mutating func begin(_ block: Block, _ content: JSONValue, _ writer: inout EventWriter) {
    guard open != block else { return }
    close(&writer)
    open = block
    writer.message("content_block_start", ["index": .number(JSONNumber(next)), "content_block": content])
  }

  private mutating func close(_ writer: inout EventWriter) {
    guard open != nil else { return }
    open = nil
    writer.message("content_block_stop", ["index": .number(JSONNumber(next))])
    next += 1
  }

  private func delta(_ delta: JSONValue, _ writer: inout EventWriter) {
    writer.message("content_block_delta", ["index": .number(JSONNumber(next)), "delta": delta])
  }

  /// - Returns: false for a part of a call that is not the open one: calls come one after the other, and a block that ended cannot go on.
  private mutating func take(_ call: JSONValue, _ writer: inout EventWriter) -> Bool {
    let index = call["index"]?.int ?? 0
    let name = call["function"]?["name"]?.string ?? ""
    var isOpen = false
    // Some providers give every call the same index, but its own id.
    if case .tool(let openIndex, let openID)? = open {
      isOpen = openIndex == index && (call["id"]?.string.map { $0.isEmpty || $0 == openID } ?? true)
    }
    if !isOpen {
      guard !name.isEmpty else { return false }
      callsTools = true
      let given = call["id"]?.string ?? ""
      let id = given.isEmpty ? "\(self.id)_\(next)" : given
      begin(
        .tool(index: index, id: given), ["type": "tool_use", "id": .string(ChatMessages.id(id)), "name": .string(name), "input": [:]],
        &writer)
    }
    if let text = call["function"]?["arguments"]?.string, !text.isEmpty {
      delta(["type": "input_json_delta", "partial_json": .string(text)], &writer)
    }
    return true
  }
}

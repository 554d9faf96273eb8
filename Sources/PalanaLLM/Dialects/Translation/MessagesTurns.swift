import PalanaCore

/// The turns of anthropic-messages as messages of openai-chat, where results of tools are messages of their own.
struct MessagesTurns {
  private(set) var messages: [JSONObject] = []

  init(_ request: RequestFields) throws(DialectError) {
    try addSystem(request, "system")
    guard let turns = try request.items("messages") else {
      throw DialectError(.missingMember, "‘messages’ is missing", member: "messages")
    }
    for turn in turns {
      try turn.refuseOthers(than: ["role", "content"])
      switch try turn.requiredText("role") {
      case "user": try user(turn)
      case "assistant": try assistant(turn)
      case "system": try addSystem(turn, "content")
      default: throw .untranslatable(turn.path("role"), "the roles are user, assistant and system")
      }
    }
  }

  private mutating func addSystem(_ fields: RequestFields, _ name: String) throws(DialectError) {
    if case .string(let text)? = fields[name] {
      messages.append(["role": "system", "content": .string(text)])
    } else if let blocks = try fields.items(name), !blocks.isEmpty {
      messages.append(["role": "system", "content": Self.content(try Self.texts(blocks))])
    }
  }

  private static func texts(_ blocks: [RequestFields]) throws(DialectError) -> [JSONValue] {
    var parts: [JSONValue] = []
    for block in blocks {
      guard try block.requiredText("type") == "text" else { throw .untranslatable(block.path("type"), "only text can stand here") }
      parts.append(ChatMessages.text(try block.requiredText("text")))
    }
    return parts
  }

  /// A single text stands without its part, as every server of this dialect takes it.
  private static func content(_ parts: [JSONValue]) -> JSONValue {
    if parts.count == 1, parts[0]["type"] == "text", let text = parts[0]["text"] { return text }
    return .array(parts)
  }

  private mutating func user(_ turn: RequestFields) throws(DialectError) {
    if case .string(let text)? = turn["content"] { return messages.append(["role": "user", "content": .string(text)]) }
    var parts: [JSONValue] = []
    for block in try turn.items("content") ?? [] {
      switch try block.requiredText("type") {
      case "text": parts.append(ChatMessages.text(try block.requiredText("text")))
      case "image": parts.append(try image(block))
      case "document": parts.append(try document(block))
      case "tool_result": try toolResult(block, &parts)
      default: throw .untranslatable(block.path("type"), "text, image, document and tool_result can stand here")
      }
    }
    // What is said beside results comes behind them: the messages of tools follow the call.
    if !parts.isEmpty { messages.append(["role": "user", "content": Self.content(parts)]) }
  }

  /// - Parameter parts: gets the images, which a message of a tool cannot hold.
  private mutating func toolResult(_ block: RequestFields, _ parts: inout [JSONValue]) throws(DialectError) {
    try block.refuseOthers(than: ["type", "tool_use_id", "content", "is_error", "cache_control"])
    var texts: [JSONValue] = []
    if case .string(let text)? = block["content"] {
      texts.append(ChatMessages.text(text))
    } else {
      for part in try block.items("content") ?? [] {
        switch try part.requiredText("type") {
        case "text": texts.append(ChatMessages.text(try part.requiredText("text")))
        case "image": parts.append(try image(part))
        case "document": parts.append(try document(part))
        default: throw .untranslatable(part.path("type"), "text, image and document can stand here")
        }
      }
    }
    if try block.flag("is_error") == true { texts.insert(ChatMessages.text("The tool failed."), at: 0) }
    messages.append([
      "role": "tool", "tool_call_id": .string(try block.requiredText("tool_use_id")), "content": texts.isEmpty ? "" : Self.content(texts),
    ])
  }

  private func image(_ block: RequestFields) throws(DialectError) -> JSONValue {
    let source = try block.requiredFields("source")
    let url: String
    switch try source.requiredText("type") {
    case "base64": url = "data:\(try source.requiredText("media_type"));base64,\(try source.requiredText("data"))"
    case "url": url = try source.requiredText("url")
    default: throw .untranslatable(source.path("type"), "an image is given in base64 or by its URL")
    }
    return ["type": "image_url", "image_url": ["url": .string(url)]]
  }

  private func document(_ block: RequestFields) throws(DialectError) -> JSONValue {
    let source = try block.requiredFields("source")
    switch try source.requiredText("type") {
    case "text": return ChatMessages.text(try source.requiredText("data"))
    case "base64":
      let data = "data:\(try source.requiredText("media_type"));base64,\(try source.requiredText("data"))"
      let name = try block.text("title") ?? "document.pdf"
      return ["type": "file", "file": ["filename": .string(name), "file_data": .string(data)]]
    default: throw .untranslatable(source.path("type"), "a document is given in base64 or as text")
    }
  }

  private mutating func assistant(_ turn: RequestFields) throws(DialectError) {
    if case .string(let text)? = turn["content"] { return messages.append(["role": "assistant", "content": .string(text)]) }
    var texts: [JSONValue] = []
    var calls: [JSONValue] = []
    for block in try turn.items("content") ?? [] {
      switch try block.requiredText("type") {
      case "text": texts.append(ChatMessages.text(try block.requiredText("text")))
      // What another model thought says nothing to this one.
      case "thinking", "redacted_thinking": break
      case "tool_use":
        let input = try block.requiredFields("input").object
        calls.append([
          "id": .string(try block.requiredText("id")), "type": "function",
          "function": ["name": .string(try block.requiredText("name")), "arguments": .string(ToolArguments.text(.object(input)))],
        ])
      default: throw .untranslatable(block.path("type"), "text, thinking and tool_use can stand here")
      }
    }
    guard !texts.isEmpty || !calls.isEmpty else { return }
    var message: JSONObject = ["role": "assistant", "content": texts.isEmpty ? .null : Self.content(texts)]
    if !calls.isEmpty { message["tool_calls"] = .array(calls) }
    messages.append(message)
  }
}

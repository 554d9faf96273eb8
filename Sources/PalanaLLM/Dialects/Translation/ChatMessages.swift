import PalanaCore

/// The messages of openai-chat as turns of anthropic-messages, which alternate: what follows each other in one role becomes one turn.
struct ChatMessages {
  struct Turn {
    var role: String
    var blocks: [JSONValue]

    /// A single text stands without its block.
    var value: JSONValue {
      if blocks.count == 1, let block = blocks[0].object, block.count == 2, block["type"] == "text", let text = block["text"] {
        return ["role": .string(role), "content": text]
      }
      return ["role": .string(role), "content": .array(blocks)]
    }
  }

  private(set) var turns: [Turn] = []
  private var system: [JSONValue] = []

  var systemValue: JSONValue? { system.isEmpty ? nil : Turn(role: "", blocks: system).value["content"] }

  init(_ request: RequestFields) throws(DialectError) {
    guard let messages = try request.items("messages") else {
      throw DialectError(.missingMember, "‘messages’ is missing", member: "messages")
    }
    for message in messages { try take(message) }
  }

  private mutating func take(_ message: RequestFields) throws(DialectError) {
    let role = try message.requiredText("role")
    if role != "tool", let name = try message.text("name"), !name.isEmpty {
      throw .untranslatable(message.path("name"), "it does not tell participants apart")
    }
    switch role {
    case "system", "developer":
      try message.refuseOthers(than: ["role", "content", "name"])
      system += try texts(message)
    case "user":
      try message.refuseOthers(than: ["role", "content", "name"])
      add("user", try content(message))
    case "assistant": add("assistant", try assistant(message))
    case "tool":
      try message.refuseOthers(than: ["role", "content", "name", "tool_call_id"])
      let texts = try texts(message)
      var result: JSONObject = ["type": "tool_result", "tool_use_id": .string(Self.id(try message.requiredText("tool_call_id")))]
      if !texts.isEmpty { result.set("content", Turn(role: "", blocks: texts).value["content"]) }
      add("user", [.object(result)])
    default: throw .untranslatable(message.path("role"), "the roles are system, developer, user, assistant and tool")
    }
  }

  private mutating func add(_ role: String, _ blocks: [JSONValue]) {
    guard !blocks.isEmpty else { return }
    if turns.last?.role == role { turns[turns.count - 1].blocks += blocks } else { turns.append(Turn(role: role, blocks: blocks)) }
  }

  /// Ids of calls have letters, digits, `_` and `-` there; those of some providers have more.
  static func id(_ text: String) -> String {
    String(
      text.unicodeScalars.map {
        $0.isASCII && ($0.properties.isAlphabetic || (48...57).contains($0.value) || $0 == "_" || $0 == "-") ? Character($0) : "_"
      })
  }

  static func text(_ text: String) -> JSONValue { ["type": "text", "text": .string(text)] }

  /// Text, or parts that are text. Empty ones are left out: they say nothing, and are not accepted there.
  private func texts(_ message: RequestFields) throws(DialectError) -> [JSONValue] {
    if case .string(let text)? = message["content"] { return text.isEmpty ? [] : [Self.text(text)] }
    var blocks: [JSONValue] = []
    for part in try message.items("content") ?? [] {
      guard try part.requiredText("type") == "text" else { throw .untranslatable(part.path("type"), "only text can stand here") }
      let text = try part.requiredText("text")
      if !text.isEmpty { blocks.append(Self.text(text)) }
    }
    return blocks
  }

  private func content(_ message: RequestFields) throws(DialectError) -> [JSONValue] {
    if case .string(let text)? = message["content"] { return text.isEmpty ? [] : [Self.text(text)] }
    var blocks: [JSONValue] = []
    for part in try message.items("content") ?? [] {
      switch try part.requiredText("type") {
      case "text":
        let text = try part.requiredText("text")
        if !text.isEmpty { blocks.append(Self.text(text)) }
      case "image_url":
        let url = try part.requiredFields("image_url").requiredText("url")
        blocks.append(["type": "image", "source": try Self.imageSource(url, part.path("image_url.url"))])
      case "file": blocks.append(try document(part.requiredFields("file")))
      case "input_audio": throw .untranslatable(part.path("type"), "it does not hear")
      default: throw .untranslatable(part.path("type"), "text, image_url and file can stand here")
      }
    }
    return blocks
  }

  private static func imageSource(_ url: String, _ path: String) throws(DialectError) -> JSONValue {
    if let data = DataURL(url) { return ["type": "base64", "media_type": .string(data.mediaType), "data": .string(data.base64)] }
    guard url.hasPrefix("https://") || url.hasPrefix("http://") else {
      throw .untranslatable(path, "an image is given by https:// or as data: with base64")
    }
    return ["type": "url", "url": .string(url)]
  }

  private func document(_ file: RequestFields) throws(DialectError) -> JSONValue {
    try file.refuseOthers(than: ["file_data", "filename"], "files are given in ‘file_data’")
    guard let data = DataURL(try file.requiredText("file_data")), data.mediaType == "application/pdf" else {
      throw .untranslatable(file.path("file_data"), "a file is a PDF, as data:application/pdf;base64,")
    }
    var block: JSONObject = [
      "type": "document", "source": ["type": "base64", "media_type": "application/pdf", "data": .string(data.base64)],
    ]
    block.set("title", try file.text("filename").map { .string($0) })
    return .object(block)
  }

  private func assistant(_ message: RequestFields) throws(DialectError) -> [JSONValue] {
    // What it thought comes back from agents that keep unknown members; without a signature it cannot be taken.
    try message.refuseOthers(than: [
      "role", "content", "name", "refusal", "tool_calls", "reasoning_content", "reasoning", "annotations",
    ])
    var blocks: [JSONValue] = []
    if case .string(let text)? = message["content"] {
      if !text.isEmpty { blocks.append(Self.text(text)) }
    } else {
      for part in try message.items("content") ?? [] {
        let type = try part.requiredText("type")
        guard type == "text" || type == "refusal" else { throw .untranslatable(part.path("type"), "text and refusal can stand here") }
        let text = try part.requiredText(type)
        if !text.isEmpty { blocks.append(Self.text(text)) }
      }
    }
    if let refusal = try message.text("refusal"), !refusal.isEmpty { blocks.append(Self.text(refusal)) }
    for call in try message.items("tool_calls") ?? [] {
      guard try call.text("type") ?? "function" == "function" else { throw .untranslatable(call.path("type"), "only functions can") }
      let function = try call.requiredFields("function")
      let arguments = try function.text("arguments") ?? ""
      guard let input = ToolArguments.object(arguments) else {
        throw DialectError(.wrongType, "‘\(function.path("arguments"))’ must hold a JSON object", member: function.path("arguments"))
      }
      blocks.append([
        "type": "tool_use", "id": .string(Self.id(try call.requiredText("id"))), "name": .string(try function.requiredText("name")),
        "input": input,
      ])
    }
    return blocks
  }
}

/// `data:MEDIA/TYPE;base64,…` (RFC 2397).
struct DataURL {
  var mediaType: String
  var base64: String

  init?(_ url: String) {
    guard url.hasPrefix("data:"), let comma = url.firstIndex(of: ",") else { return nil }
    let head = url[url.index(url.startIndex, offsetBy: 5)..<comma].split(separator: ";", omittingEmptySubsequences: false)
    guard head.count >= 2, head.last == "base64", let type = head.first, !type.isEmpty else { return nil }
    mediaType = String(type).lowercased()
    base64 = String(url[url.index(after: comma)...])
  }
}

/// Arguments of a tool: text of JSON in one dialect, an object in the other.
enum ToolArguments {
  /// Nil when they are no object. No arguments are an empty one.
  static func object(_ text: String) -> JSONValue? {
    if text.allSatisfy(\.isWhitespace) { return [:] }
    guard let value = try? JSONValue(parsing: text.utf8), case .object = value else { return nil }
    return value
  }

  static func text(_ value: JSONValue) -> String { String(decoding: value.encoded(), as: UTF8.self) }
}

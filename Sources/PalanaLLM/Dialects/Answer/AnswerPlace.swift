/// Where in an answer, or in an event of a stream, a reader stands, and what the members there are to it.
enum AnswerPlace {
  /// The whole of a document, by dialect; of a stream's events the dialects have other ones.
  case chat, responses, responsesEvent, embeddings, messages, messagesEvent
  // Of openai-chat.
  case choice, message, call, function
  // Of openai-responses.
  case response, item, incomplete
  // Of anthropic-messages.
  case startedMessage, block, delta
  // Of several.
  case part, usage, inputDetails, outputDetails

  enum Member {
    case object(AnswerPlace)
    case text
    /// A value that the model wrote as JSON.
    case json
    case tool
    case finish
    /// A finish that says more than another one.
    case detailedFinish
    case number(UsageFields.Field)
    case type
    case error
    case other
  }

  static func root(_ dialect: Dialect, isEvent: Bool) -> Self {
    switch dialect {
    case .openAIChat: .chat
    case .openAIResponses: isEvent ? .responsesEvent : .responses
    case .openAIEmbeddings: .embeddings
    case .anthropicMessages: isEvent ? .messagesEvent : .messages
    }
  }

  func member(_ name: Range<Int>, _ bytes: borrowing Span<UInt8>) -> Member {
    for (known, member) in members where bytes.equals(known, at: name) { return member }
    return .other
  }

  private var members: [(StaticString, Member)] {
    switch self {
    case .chat: Self.chatMembers
    case .choice: Self.choiceMembers
    case .message: Self.messageMembers
    case .call: Self.callMembers
    case .function: Self.functionMembers
    case .responses: Self.responsesMembers
    case .responsesEvent: Self.responsesEventMembers
    case .response: Self.responseMembers
    case .item: Self.itemMembers
    case .incomplete: Self.incompleteMembers
    case .embeddings: Self.embeddingsMembers
    case .messages: Self.messagesMembers
    case .messagesEvent: Self.messagesEventMembers
    case .startedMessage: Self.startedMessageMembers
    case .block: Self.blockMembers
    case .delta: Self.deltaMembers
    case .part: Self.partMembers
    case .usage: Self.usageMembers
    case .inputDetails: Self.inputDetailsMembers
    case .outputDetails: Self.outputDetailsMembers
    }
  }

  private typealias Members = [(StaticString, Member)]

  private static let chatMembers: Members = [("choices", .object(.choice)), ("usage", .object(.usage)), ("error", .error)]
  private static let choiceMembers: Members = [
    ("delta", .object(.message)), ("message", .object(.message)), ("finish_reason", .finish), ("text", .text),
  ]
  private static let messageMembers: Members = [
    ("content", .text), ("tool_calls", .object(.call)), ("reasoning_content", .text), ("reasoning", .text), ("refusal", .text),
    ("function_call", .object(.function)),
  ]
  private static let callMembers: Members = [("function", .object(.function)), ("custom", .object(.function))]
  private static let functionMembers: Members = [("name", .tool), ("arguments", .text), ("input", .text)]

  private static let responsesMembers: Members = [
    ("output", .object(.item)), ("usage", .object(.usage)), ("status", .finish), ("incomplete_details", .object(.incomplete)),
    ("error", .error),
  ]
  private static let responsesEventMembers: Members = [
    ("type", .type), ("delta", .text), ("response", .object(.response)), ("item", .object(.item)), ("error", .error),
  ]
  /// Of its output the events before have told.
  private static let responseMembers: Members = [
    ("usage", .object(.usage)), ("status", .finish), ("incomplete_details", .object(.incomplete)), ("error", .error),
  ]
  private static let itemMembers: Members = [
    ("content", .text), ("name", .tool), ("arguments", .text), ("input", .text), ("summary", .text),
  ]
  private static let incompleteMembers: Members = [("reason", .detailedFinish)]

  private static let embeddingsMembers: Members = [("usage", .object(.usage)), ("error", .error)]

  private static let messagesMembers: Members = [
    ("content", .object(.block)), ("usage", .object(.usage)), ("stop_reason", .finish), ("error", .error),
  ]
  private static let messagesEventMembers: Members = [
    ("type", .type), ("delta", .object(.delta)), ("content_block", .object(.block)), ("message", .object(.startedMessage)),
    ("usage", .object(.usage)), ("error", .error),
  ]
  private static let startedMessageMembers: Members = [
    ("usage", .object(.usage)), ("content", .object(.block)), ("stop_reason", .finish),
  ]
  private static let blockMembers: Members = [("text", .text), ("thinking", .text), ("name", .tool), ("input", .json)]
  private static let deltaMembers: Members = [
    ("text", .text), ("partial_json", .text), ("thinking", .text), ("stop_reason", .finish),
  ]

  private static let partMembers: Members = [("text", .text), ("refusal", .text), ("thinking", .text)]
  private static let usageMembers: Members = [
    ("prompt_tokens", .number(.promptTokens)), ("completion_tokens", .number(.completionTokens)), ("total_tokens", .number(.totalTokens)),
    ("input_tokens", .number(.inputTokens)), ("output_tokens", .number(.outputTokens)),
    ("cache_read_input_tokens", .number(.cacheRead)), ("cache_creation_input_tokens", .number(.cacheCreation)),
    ("prompt_tokens_details", .object(.inputDetails)), ("input_tokens_details", .object(.inputDetails)),
    ("completion_tokens_details", .object(.outputDetails)), ("output_tokens_details", .object(.outputDetails)),
  ]
  private static let inputDetailsMembers: Members = [("cached_tokens", .number(.cached)), ("cache_write_tokens", .number(.cacheWrite))]
  private static let outputDetailsMembers: Members = [("reasoning_tokens", .number(.reasoning)), ("thinking_tokens", .number(.reasoning))]
}

import NIOCore
import PalanaAPI
import PalanaCore
import Testing

@testable import PalanaLLM

@Suite struct AnswerTranslationTests {
  private static func options() -> Translation {
    var options = Translation()
    options.created = 1_700_000_000
    return options
  }

  static let toChat: [(String, String)] = [
    (
      #"{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"Hello"},{"type":"text","text":" you"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":10,"cache_read_input_tokens":5,"cache_creation_input_tokens":2,"output_tokens":7,"output_tokens_details":{"thinking_tokens":3}}}"#,
      #"{"id":"msg_1","object":"chat.completion","created":1700000000,"model":"claude","choices":[{"index":0,"message":{"role":"assistant","content":"Hello you","refusal":null,"reasoning_content":"hm"},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":17,"completion_tokens":7,"total_tokens":24,"prompt_tokens_details":{"cached_tokens":5,"cache_write_tokens":2},"completion_tokens_details":{"reasoning_tokens":3}}}"#
    ),
    (
      #"{"id":"msg_2","model":"claude","content":[{"type":"tool_use","id":"toolu_1","name":"f","input":{"a":"\u0007é"}}],"stop_reason":"tool_use"}"#,
      #"{"id":"msg_2","object":"chat.completion","created":1700000000,"model":"claude","choices":[{"index":0,"message":{"role":"assistant","content":null,"refusal":null,"tool_calls":[{"id":"toolu_1","type":"function","function":{"name":"f","arguments":"{\"a\":\"\\u0007é\"}"}}]},"logprobs":null,"finish_reason":"tool_calls"}]}"#
    ),
  ]

  @Test(arguments: toChat) func ofMessagesToChat(_ before: String, _ after: String) throws {
    let answer = try JSONValue(parsing: Array(before.utf8))
    #expect(try Self.options().answer(answer, from: .anthropicMessages) == JSONValue(parsing: Array(after.utf8)))
  }

  static let toMessages: [(String, String)] = [
    (
      #"{"id":"chatcmpl-1","model":"gpt","choices":[{"index":0,"message":{"role":"assistant","content":"Hello","reasoning_content":"hm"},"finish_reason":"length"}],"usage":{"prompt_tokens":17,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":5}}}"#,
      #"{"id":"chatcmpl-1","type":"message","role":"assistant","model":"gpt","content":[{"type":"text","text":"Hello"}],"stop_reason":"max_tokens","stop_sequence":null,"usage":{"input_tokens":12,"cache_creation_input_tokens":0,"cache_read_input_tokens":5,"output_tokens":7}}"#
    ),
    (
      #"{"id":"c","model":"gpt","choices":[{"message":{"content":null,"tool_calls":[{"id":"call:1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"call_2","function":{"name":"g","arguments":""}}]},"finish_reason":"stop"}]}"#,
      #"{"id":"c","type":"message","role":"assistant","model":"gpt","content":[{"type":"tool_use","id":"call_1","name":"f","input":{"a":1}},{"type":"tool_use","id":"call_2","name":"g","input":{}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}"#
    ),
    (
      #"{"id":"c","model":"gpt","choices":[{"message":{"content":[{"type":"text","text":"a"}],"refusal":"no"},"finish_reason":"stop"}]}"#,
      #"{"id":"c","type":"message","role":"assistant","model":"gpt","content":[{"type":"text","text":"a"},{"type":"text","text":"no"}],"stop_reason":"refusal","stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}"#
    ),
  ]

  @Test(arguments: toMessages) func ofChatToMessages(_ before: String, _ after: String) throws {
    let answer = try JSONValue(parsing: Array(before.utf8))
    #expect(try Self.options().answer(answer, from: .openAIChat) == JSONValue(parsing: Array(after.utf8)))
  }

  @Test func thoughtsCanBeKeptBack() throws {
    var options = Self.options()
    options.keepsReasoning = false
    let answer: JSONValue = ["id": "m", "content": [["type": "thinking", "thinking": "hm"]], "stop_reason": "end_turn"]
    #expect(try options.answer(answer, from: .anthropicMessages)["choices"]?[0]?["message"]?["reasoning_content"] == nil)
  }

  @Test(arguments: [
    (Dialect.openAIChat, "{}"), (.openAIChat, #"{"choices":[]}"#), (.openAIChat, "[]"),
    (.openAIChat, #"{"choices":[{"message":{"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{"}}]}}]}"#),
    (.openAIChat, #"{"choices":[{"message":{"tool_calls":[{"function":{"name":"f"}}]}}]}"#),
    (.anthropicMessages, "{}"), (.anthropicMessages, #"{"id":"m","content":[{"type":"tool_use","name":"f"}]}"#),
  ])
  func refusesWhatIsNoAnswer(_ dialect: Dialect, _ body: String) throws {
    let answer = try JSONValue(parsing: Array(body.utf8))
    let error = #expect(throws: DialectError.self) { try Translation().answer(answer, from: dialect) }
    #expect(error?.reason == .malformedAnswer)
  }

  @Test(arguments: [
    ("end_turn", "stop"), ("stop_sequence", "stop"), ("pause_turn", "stop"), ("max_tokens", "length"),
    ("model_context_window_exceeded", "length"), ("tool_use", "tool_calls"), ("refusal", "content_filter"), ("something_new", "stop"),
  ])
  func saysWhyItEnded(_ reason: String, _ finish: String) { #expect(AnswerWords.finishReason(reason) == finish) }

  static let errors: [(Dialect, ErrorBody, String)] = [
    (
      .openAIChat, ErrorBody(status: 429, reason: "budget_exceeded", message: "spent"),
      #"{"error":{"message":"spent","type":"rate_limit_error","param":null,"code":"budget_exceeded"}}"#
    ),
    (
      .anthropicMessages, ErrorBody(status: 402, reason: "budget_exceeded", message: "spent"),
      #"{"type":"error","error":{"type":"billing_error","message":"spent","reason":"budget_exceeded"}}"#
    ),
    (
      .openAIResponses, ErrorBody(.wrongType("model", "text")),
      #"{"error":{"message":"‘model’ must be text","type":"invalid_request_error","param":"model","code":"wrong_type"}}"#
    ),
    (
      .anthropicMessages, ErrorBody(.malformedAnswer("x")),
      #"{"type":"error","error":{"type":"api_error","message":"the provider's answer cannot be understood: x","reason":"malformed_answer"}}"#
    ),
    // Those of providers.
    (
      .openAIChat,
      ErrorBody(status: 529, answer: ByteBuffer(string: #"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#)),
      #"{"error":{"message":"Overloaded","type":"server_error","param":null,"code":"overloaded_error"}}"#
    ),
    (
      .anthropicMessages,
      ErrorBody(
        status: 401,
        answer: ByteBuffer(
          string: #"{"error":{"message":"Incorrect API key","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#)),
      #"{"type":"error","error":{"type":"authentication_error","message":"Incorrect API key","reason":"invalid_api_key"}}"#
    ),
    (
      .anthropicMessages, ErrorBody(status: 504, answer: ByteBuffer(string: "<html>")),
      #"{"type":"error","error":{"type":"timeout_error","message":"the provider answered with status 504","reason":"upstream_error"}}"#
    ),
  ]

  @Test(arguments: errors) func errorsHaveTheShapeOfTheDialect(_ dialect: Dialect, _ error: ErrorBody, _ body: String) {
    #expect(String(buffer: error.bytes(dialect)) == body)
  }

  @Test func errorsInStreamsAreEvents() {
    let error = ErrorBody(status: 500, reason: "r", message: "m")
    #expect(String(buffer: error.event(.openAIChat)) == "data: \(String(buffer: error.bytes(.openAIChat)))\n\n")
    #expect(String(buffer: error.event(.anthropicMessages)) == "event: error\ndata: \(String(buffer: error.bytes(.anthropicMessages)))\n\n")
    #expect(
      String(buffer: error.event(.openAIResponses))
        == "event: error\ndata: {\"type\":\"error\",\"code\":\"r\",\"message\":\"m\",\"param\":null}\n\n")
  }
}

import NIOCore
import PalanaAPI
import Testing

@testable import PalanaLLM

@Suite struct UsageReaderTests {
  struct Answer: Sendable, CustomTestStringConvertible {
    var dialect: Dialect
    var body: String
    var usage: TokenUsage?
    var finish: String?
    var tools: [String] = []
    var output = ""
    var isError = false
    var testDescription: String { "\(dialect): \(body.prefix(60))" }
  }

  static let answers: [Answer] = [
    Answer(
      dialect: .openAIChat,
      body: #"""
        {"id":"chatcmpl-B9MB","object":"chat.completion","created":1741569952,"model":"gpt-4.1-2025-04-14","choices":[{"index":0,"message":
        {"role":"assistant","content":"Hello!","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":
        {"prompt_tokens":1219,"completion_tokens":110,"total_tokens":1329,"prompt_tokens_details":{"cached_tokens":1024,"audio_tokens":0},
        "completion_tokens_details":{"reasoning_tokens":64,"audio_tokens":0,"accepted_prediction_tokens":0}},"service_tier":"default"}
        """#, usage: TokenUsage(input: 1219, cachedInput: 1024, output: 110, reasoning: 64), finish: "stop", output: "Hello!"),
    Answer(
      dialect: .openAIChat,
      body: #"""
        {"choices":[{"message":{"content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"get_weather","arguments":"{\"city\":\"Bern\"}"}},
        {"id":"call_2","type":"custom","custom":{"name":"run","input":"ls"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":82,"completion_tokens":17}}
        """#, usage: TokenUsage(input: 82, output: 17), finish: "tool_calls", tools: ["get_weather", "run"],
      output: #"get_weather{\"city\":\"Bern\"}runls"#),
    Answer(
      dialect: .openAIChat,
      body: #"{"choices":[{"message":{"content":[{"type":"text","text":"ab"}],"reasoning_content":"hm"}},{"message":{"content":"é"}}]}"#,
      output: "abhmé"),
    // Providers that count thoughts beside the output.
    Answer(
      dialect: .openAIChat,
      body:
        #"{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":35,"completion_tokens_details":{"reasoning_tokens":5}}}"#,
      usage: TokenUsage(input: 10, output: 25, reasoning: 5)),
    Answer(
      dialect: .openAIChat,
      body: #"{"usage":{"prompt_tokens":10,"completion_tokens":2,"completion_tokens_details":{"reasoning_tokens":5}}}"#,
      usage: TokenUsage(input: 10, output: 7, reasoning: 5)),
    Answer(
      dialect: .openAIChat, body: #"{"usage":{"prompt_tokens":10,"prompt_tokens_details":{"cached_tokens":90,"cache_write_tokens":null}}}"#,
      usage: TokenUsage(input: 100, cachedInput: 90)),
    Answer(dialect: .openAIChat, body: #"{"error":{"message":"no","type":"server_error"}}"#, isError: true),
    Answer(dialect: .openAIChat, body: #"{"error":null,"usage":{"prompt_tokens":1}}"#, usage: TokenUsage(input: 1)),
    Answer(dialect: .openAIChat, body: "<html>", output: "<html>"),
    Answer(
      dialect: .openAIResponses,
      body: #"""
        {"id":"resp_67","object":"response","status":"completed","error":null,"incomplete_details":null,"output":[{"type":"reasoning","summary":[{"type":"summary_text","text":"t"}]},
        {"type":"message","content":[{"type":"output_text","text":"Hi","annotations":[]}]},{"type":"function_call","name":"f","arguments":"{}"}],
        "usage":{"input_tokens":36,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":2},"output_tokens":87,"output_tokens_details":{"reasoning_tokens":12},"total_tokens":123}}
        """#, usage: TokenUsage(input: 36, cachedInput: 4, cacheWrite: 2, output: 87, reasoning: 12), finish: "completed", tools: ["f"],
      output: "tHif{}"),
    Answer(
      dialect: .openAIResponses, body: #"{"incomplete_details":{"reason":"max_output_tokens"},"status":"incomplete","usage":null}"#,
      finish: "max_output_tokens"),
    Answer(
      dialect: .openAIEmbeddings,
      body: #"{"object":"list","data":[{"embedding":[0.1,-2e-3],"index":0}],"usage":{"prompt_tokens":8,"total_tokens":8}}"#,
      usage: TokenUsage(input: 8)),
    Answer(
      dialect: .anthropicMessages,
      body: #"""
        {"id":"msg_013","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[{"type":"thinking","thinking":"so","signature":"EqQB"},
        {"type":"text","text":"Yes."},{"type":"tool_use","id":"toolu_1","name":"ls","input":{"p":"/"}}],"stop_reason":"tool_use","stop_sequence":null,
        "usage":{"input_tokens":2095,"cache_creation_input_tokens":100,"cache_read_input_tokens":3000,"output_tokens":503,
        "cache_creation":{"ephemeral_5m_input_tokens":100},"service_tier":"standard","output_tokens_details":{"thinking_tokens":40}}}
        """#, usage: TokenUsage(input: 5195, cachedInput: 3000, cacheWrite: 100, output: 503, reasoning: 40), finish: "tool_use",
      tools: ["ls"],
      output: #"soYes.ls{"p":"/"}"#),
    Answer(
      dialect: .anthropicMessages, body: #"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, isError: true),
  ]

  @Test(arguments: answers) func readsWholeAnswers(_ row: Answer) {
    let report = UsageReader.report(of: ByteBuffer(string: row.body), dialect: row.dialect)
    #expect(report.usage == row.usage)
    #expect(report.isUsageFinal == (row.usage != nil))
    #expect(report.finishReason == row.finish)
    #expect(report.toolCalls == row.tools)
    #expect(report.output.bytes == row.output.utf8.count)
    #expect(report.isError == row.isError)
  }

  @Test(arguments: ["-1", "1.5", "1e3", "\"12\"", "99999999999999999999", "1000000000001", "[]", "true", "{}"])
  func impossibleNumbersAreNoUsage(_ number: String) {
    let bodies: [(Dialect, String)] = [
      (.openAIChat, #"{"usage":{"prompt_tokens":\#(number),"completion_tokens":1}}"#),
      (.openAIChat, #"{"usage":{"prompt_tokens":5,"completion_tokens_details":{"reasoning_tokens":\#(number)}}}"#),
      (.openAIResponses, #"{"usage":{"input_tokens":5,"output_tokens":\#(number)}}"#),
      (.openAIEmbeddings, #"{"usage":{"prompt_tokens":\#(number)}}"#),
      (.anthropicMessages, #"{"usage":{"input_tokens":5,"output_tokens":1,"cache_read_input_tokens":\#(number)}}"#),
    ]
    for (dialect, body) in bodies { #expect(UsageReader.report(of: ByteBuffer(string: body), dialect: dialect).usage == nil) }
  }

  @Test func theLargestNumbersDoNotOverflow() {
    let most = "1000000000000"
    let body =
      #"{"usage":{"input_tokens":\#(most),"output_tokens":\#(most),"cache_read_input_tokens":\#(most),"cache_creation_input_tokens":\#(most)}}"#
    #expect(UsageReader.report(of: ByteBuffer(string: body), dialect: .anthropicMessages).usage?.input == 3_000_000_000_000)
  }

  static func read(_ stream: String, _ dialect: Dialect) throws -> ([UsageReader.Role], AnswerReport) {
    var scanner = EventScanner()
    scanner.append(ByteBuffer(string: stream))
    var reader = UsageReader(dialect: dialect)
    var roles: [UsageReader.Role] = []
    while let event = try scanner.next() { roles.append(reader.take(event)) }
    return (roles, reader.current)
  }

  @Test func readsStreamsOfChat() throws {
    let stream = #"""
      data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}

      data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hel"},"finish_reason":null}],"usage":null}

      data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]}}]}

      data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}}]}

      data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}

      : keep-alive

      data: {"id":"c","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":12,"total_tokens":21}}

      data: [DONE]


      """#
    let (roles, report) = try Self.read(stream, .openAIChat)
    #expect(roles == [.content, .content, .content, .content, .content, .other, .usageOnly, .end])
    #expect(report.usage == TokenUsage(input: 9, output: 12))
    #expect(report.isUsageFinal)
    #expect(report.finishReason == "tool_calls")
    #expect(report.toolCalls == ["f"])
    #expect(report.output.bytes == 6)
  }

  @Test func aChunkWithoutChoicesIsNotYetUsage() throws {
    let stream =
      "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\ndata: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":1}}\n\n"
      + "data: {\"error\":{\"message\":\"x\"}}\n\ndata: nonsense\n\n"
    let (roles, report) = try Self.read(stream, .openAIChat)
    #expect(roles == [.content, .content, .failure, .other])
    #expect(report.isError)
    #expect(report.output.bytes == 8)
  }

  @Test func readsStreamsOfResponses() throws {
    let stream = #"""
      event: response.created
      data: {"type":"response.created","response":{"id":"resp_1","status":"in_progress","output":[],"usage":null}}

      event: response.output_item.added
      data: {"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","name":"f","arguments":""}}

      data: {"type":"response.function_call_arguments.delta","delta":"{}"}

      data: {"type":"response.function_call_arguments.done","arguments":"{}"}

      data: {"type":"response.output_item.done","item":{"type":"function_call","name":"f","arguments":"{}"}}

      data: {"type":"response.output_text.delta","delta":"Hi"}

      data: {"type":"response.audio.delta","delta":"AAAAAAAAAAAA"}

      data: {"type":"response.output_text.done","text":"Hi"}

      data: {"response":{"status":"completed","output":[{"type":"message","content":[{"text":"Hi"}]}],"usage":{"input_tokens":5,"output_tokens":7,"output_tokens_details":{"reasoning_tokens":3}}},"type":"response.completed"}


      """#
    let (roles, report) = try Self.read(stream, .openAIResponses)
    #expect(roles.last == .end && roles.dropLast().allSatisfy { $0 == .content })
    #expect(report.usage == TokenUsage(input: 5, output: 7, reasoning: 3))
    #expect(report.toolCalls == ["f"])
    #expect(report.finishReason == "completed")
    #expect(report.output.bytes == 1 + 2 + 2)
    for failure in [
      #"{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error"}}}"#, #"{"type":"error","message":"x"}"#,
    ] {
      let (roles, report) = try Self.read("data: \(failure)\n\n", .openAIResponses)
      #expect(roles == [.failure])
      #expect(report.isError)
    }
  }

  static let messages = #"""
    event: message_start
    data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"stop_reason":null,"usage":{"input_tokens":25,"cache_creation_input_tokens":10,"cache_read_input_tokens":100,"output_tokens":1}}}

    event: content_block_start
    data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

    event: ping
    data: {"type":"ping"}

    event: content_block_delta
    data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}

    event: content_block_stop
    data: {"type":"content_block_stop","index":0}

    event: content_block_start
    data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_1","name":"ls","input":{}}}

    event: content_block_delta
    data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{}"}}


    """#
  static let messagesEnd = #"""
    event: message_delta
    data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":15}}

    event: message_stop
    data: {"type":"message_stop"}


    """#

  @Test func readsStreamsOfMessages() throws {
    let (roles, report) = try Self.read(Self.messages + Self.messagesEnd, .anthropicMessages)
    #expect(roles.last == .end && roles.dropLast().allSatisfy { $0 == .content })
    #expect(report.usage == TokenUsage(input: 135, cachedInput: 100, cacheWrite: 10, output: 15))
    #expect(report.isUsageFinal)
    #expect(report.finishReason == "tool_use")
    #expect(report.toolCalls == ["ls"])
    #expect(report.output.bytes == 5 + 2 + 2)
  }

  @Test func whatAStreamDidNotComeToSayIsEstimated() throws {
    let (_, report) = try Self.read(Self.messages, .anthropicMessages)
    #expect(report.usage == TokenUsage(input: 135, cachedInput: 100, cacheWrite: 10, output: 1))
    #expect(!report.isUsageFinal)
    let call = ModelCall(dialect: .anthropicMessages, model: "m")
    let settled = report.settled(call)
    #expect(settled.isEstimated)
    #expect(settled.usage.input == 135)
    #expect(settled.usage.output == TokenEstimate.tokens(in: report.output))
    let (_, silent) = try Self.read("data: {\"choices\":[{\"delta\":{\"content\":\"some words\"}}]}\n\n", .openAIChat)
    #expect(silent.settled(call).usage == TokenUsage(input: TokenEstimate.input(of: call), output: TokenEstimate.tokens(in: "some words")))
    let whole = UsageReader.report(of: ByteBuffer(string: #"{"usage":{"prompt_tokens":3,"completion_tokens":4}}"#), dialect: .openAIChat)
    #expect(whole.settled(call) == (TokenUsage(input: 3, output: 4), false))
  }

  @Test func aBrokenNumberOfAStreamOfMessagesIsNotMendedByALaterOne() throws {
    let stream =
      "data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":-1,\"output_tokens\":1}}}\n\n" + Self.messagesEnd
    #expect(try Self.read(stream, .anthropicMessages).1.usage == nil)
  }
}

import Fuzzing
import NIOCore
import PalanaAPI
import PalanaCore

@testable import PalanaLLM

extension FuzzTarget {
  static let dialects = [llmRequest, llmEdit, llmConversation, llmEvents, llmUsage, llmTranslation, llmStream]

  static let requestSeeds = [
    #"{"model":"gpt-4.1","messages":[{"role":"system","content":"be brief"},{"role":"user","content":[{"type":"text","text":"h\u00e9€"}]}],"stream":true}"#,
    #"{"model":"m","stream":true,"stream_options":{"include_usage":false},"n":2,"max_tokens":100,"messages":[],"tools":[{"type":"function"}]}"#,
    #" { "mod\u0065l" : "a\"b" , "messages":[1.5e3,true,null,{},[]],"max_completion_tokens":null,"stream_options":{ }, "stream" : true } "#,
    #"{"model":"m","input":[[1,2],[3]],"instructions":"x","max_output_tokens":7,"previous_response_id":"r","background":true,"prompt":{"id":"p"}}"#,
    #"{"model":"claude","max_tokens":9,"system":[{"type":"text","text":"x"}],"messages":[{"role":"user","content":"x"}],"Model":"y"}"#,
    #"{"model":"m","messages":[{"image_url":{"url":"data:image/png;base64,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}}]}"#,
  ]

  /// What the scan takes is JSON to the strict parser too, unless a name stands twice where the scan does not look or half a surrogate
  /// pair is in text, and means the same to it.
  static let llmRequest = FuzzTarget(name: "llm-request", count: 4_000, texts: requestSeeds) { bytes in
    for dialect in Dialect.allCases {
      let scan: RequestScan
      do throws(DialectError) {
        scan = try RequestScan(ByteBuffer(bytes: bytes), dialect: dialect)
      } catch {
        guard error.reason == .malformedJSON, let value = try? JSONValue(parsing: bytes) else { continue }
        if case .object = value { return "\(error) of what the parser takes" }
        continue
      }
      let value: JSONValue
      do throws(PalanaError) {
        value = try JSONValue(parsing: bytes)
      } catch {
        if error.message.contains("stands twice") || error.message.contains("surrogate") || error.message.contains("64 levels") { continue }
        return "\(dialect): taken, but \(error)"
      }
      if let problem = difference(scan, value) { return "\(dialect): \(problem)" }
    }
    return nil
  }

  private static func difference(_ scan: RequestScan, _ value: JSONValue) -> String? {
    let call = scan.call
    guard call.model == value["model"]?.string else { return "another model" }
    if call.dialect != .openAIEmbeddings, call.isStreaming != (value["stream"]?.bool ?? false) { return "another stream" }
    if call.dialect == .openAIChat {
      guard call.wantsUsage == (value["stream_options"]?["include_usage"]?.bool ?? false) else { return "another include_usage" }
      guard call.choices == value["n"]?.int ?? 1 else { return "another n" }
    }
    let limits: [String] =
      switch call.dialect {
      case .openAIChat: ["max_tokens", "max_completion_tokens"]
      case .openAIResponses: ["max_output_tokens"]
      case .anthropicMessages: ["max_tokens"]
      case .openAIEmbeddings: []
      }
    guard call.maxOutput == limits.compactMap({ value[$0]?.int }).max() else { return "another limit" }
    return nil
  }

  /// An edit makes a request of the same kind that differs where it was meant to.
  static let llmEdit = FuzzTarget(name: "llm-edit", count: 4_000, texts: requestSeeds) { bytes in
    for dialect in Dialect.allCases {
      let body = ByteBuffer(bytes: bytes)
      guard let scan = try? RequestScan(body, dialect: dialect) else { continue }
      let edited = RequestEdit(model: "o\"ther", includesUsage: true, maxOutput: 50).applied(to: body, scan)
      guard let again = try? RequestScan(edited, dialect: dialect) else { return "\(dialect): \(String(buffer: edited)) is refused" }
      guard again.call.model == "o\"ther" else { return "the model is \(again.call.model)" }
      if dialect == .openAIChat, again.call.isStreaming, !again.call.wantsUsage { return "the usage is not asked for" }
      if dialect != .openAIEmbeddings, again.call.maxOutput != min(50, scan.call.maxOutput ?? 50), scan.limits.count < 2 {
        return "the limit is \(String(describing: again.call.maxOutput))"
      }
      guard let before = try? JSONValue(parsing: bytes).object else { continue }
      guard var after = try? JSONValue(parsing: edited.readableBytesView).object else { return "the edit is no object" }
      var rest = before
      for name in ["model", "stream_options", "max_tokens", "max_completion_tokens", "max_output_tokens"] {
        rest[name] = nil
        after[name] = nil
      }
      guard rest == after else { return "other members changed" }
    }
    return nil
  }

  private struct Events: Equatable {
    var events: [StreamEvent] = []
    var isRefused = false
  }

  /// Events are the same however their bytes come in, and together they are the stream.
  static let llmEvents = FuzzTarget(
    name: "llm-events", count: 5_000,
    texts: [
      "event: message_start\ndata: {\"a\":1}\n\n: ping\n\ndata: b\ndata:c\n\ndata: [DONE]\n\n",
      "\u{feff}data: a\r\n\r\nevent:x\rdata: b\r\rdata: c\r\n\n\r\n", "id: 1\nretry: 5\ndata\n\n\n\ndata: tail",
    ]
  ) { bytes in
    func read(_ pieces: [ArraySlice<UInt8>]) -> Events {
      var scanner = EventScanner(limit: 60)
      var read = Events()
      for piece in pieces {
        scanner.append(ByteBuffer(bytes: piece))
        do throws(StreamFailure) {
          while let event = try scanner.next() { read.events.append(event) }
        } catch {
          read.isRefused = true
          return read
        }
      }
      if let last = scanner.finish() { read.events.append(last) }
      return read
    }
    if let problem = same(bytes, read) { return problem }
    let found = read([bytes[...]])
    for event in found.events where event.raw.readableBytes > 60 { return "an event of \(event.raw.readableBytes) bytes" }
    return found.isRefused || found.events.flatMap { $0.raw.readableBytesView } == bytes ? nil : "the bytes of the events are others"
  }

  /// Whatever a provider says, a usage can be added up, and its parts fit into the whole.
  static let llmUsage = FuzzTarget(
    name: "llm-usage", count: 5_000,
    texts: [
      #"{"choices":[{"delta":{"content":"x","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":1}}}"#,
      #"{"type":"response.completed","response":{"status":"completed","usage":{"input_tokens":36,"input_tokens_details":{"cached_tokens":4},"output_tokens":87}}}"#,
      #"{"type":"message_start","message":{"usage":{"input_tokens":25,"cache_read_input_tokens":1000000000000,"cache_creation_input_tokens":2,"output_tokens":1}}}"#,
      #"{"content":[{"type":"tool_use","name":"ls","input":{"a":[1]}}],"stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":99999999999999999999}}"#,
    ]
  ) { bytes in
    for dialect in Dialect.allCases {
      var reader = UsageReader(dialect: dialect)
      let event = StreamEvent(raw: ByteBuffer(bytes: bytes), data: ByteBuffer(bytes: bytes))
      _ = reader.take(event)
      _ = reader.take(event)
      for report in [reader.current, UsageReader.report(of: ByteBuffer(bytes: bytes), dialect: dialect)] {
        guard report.toolCalls.count <= AnswerWalk.mostToolCalls, report.output.bytes <= 2 * bytes.count else {
          return "more than there is"
        }
        guard let usage = report.usage else { continue }
        guard usage.cachedInput >= 0, usage.cacheWrite >= 0, usage.cachedInput + usage.cacheWrite <= usage.input, usage.reasoning >= 0,
          usage.reasoning <= usage.output, usage.total <= 6 * UsageFields.most
        else { return "\(dialect): \(usage)" }
      }
    }
    return nil
  }
}

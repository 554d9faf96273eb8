import Fuzzing
import NIOCore
import PalanaCore

@testable import PalanaLLM

extension FuzzTarget {
  /// What is translated is taken by the scan of the other dialect, and errors name what they refuse.
  static let llmTranslation = FuzzTarget(
    name: "llm-translation", count: 3_000,
    texts: requestSeeds + [
      #"{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ=="}}]},{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},{"role":"tool","tool_call_id":"c","content":"r"}],"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required","parallel_tool_calls":false,"stop":["a"],"temperature":0.5}"#,
      #"{"model":"m","max_tokens":9,"system":"s","messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"QQ=="}}]},{"role":"assistant","content":[{"type":"thinking","thinking":"t"},{"type":"tool_use","id":"t","name":"f","input":{"a":[1]}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"r"}],"is_error":true}]}],"tools":[{"name":"f","input_schema":{}}],"tool_choice":{"type":"tool","name":"f"},"output_config":{"effort":"low"}}"#,
      #"{"id":"m","content":[{"type":"text","text":"x"},{"type":"tool_use","id":"t","name":"f","input":{}}],"stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":2}}"#,
      #"{"id":"c","choices":[{"message":{"content":"x","tool_calls":[{"id":"t","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"prompt_tokens_details":{"cached_tokens":9}}}"#,
    ]
  ) { bytes in
    guard let value = try? JSONValue(parsing: bytes) else { return nil }
    for (dialect, other) in [(Dialect.openAIChat, Dialect.anthropicMessages), (.anthropicMessages, .openAIChat)] {
      do throws(DialectError) {
        let translated = try Translation().request(value, from: dialect)
        // What one takes for a number or a model, the scan may bound further.
        do throws(DialectError) {
          _ = try RequestScan(ByteBuffer(bytes: translated.encoded()), dialect: other)
        } catch {
          guard error.reason == .outOfRange || error.reason == .wrongType else { return "\(dialect): \(error)" }
        }
      } catch {
        guard !error.message.isEmpty, error.member != nil || error.reason == .malformedJSON else {
          return "an error names nothing: \(error)"
        }
      }
      guard let answer = try? Translation().answer(value, from: dialect) else { continue }
      let report = UsageReader.report(of: ByteBuffer(bytes: answer.encoded()), dialect: other)
      guard report.finishReason != nil else { return "\(dialect): an answer without its end" }
    }
    return nil
  }

  /// Whatever an upstream says, what the agent gets is a stream of its dialect that ends once, as an answer or in an error.
  static let llmStream = FuzzTarget(
    name: "llm-stream", count: 3_000,
    texts: [
      "data: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"usage\":{\"input_tokens\":1}}}\n\n"
        + "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{}}}\n\n"
        + "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{}\"}}\n\n"
        + "data: {\"type\":\"content_block_stop\",\"index\":0}\n\ndata: {\"type\":\"ping\"}\n\n"
        + "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":2}}\n\ndata: {\"type\":\"message_stop\"}\n\n",
      "data: {\"id\":\"c\",\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n: hi\n\n"
        + "data: {\"id\":\"c\",\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"t\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]}\n\n"
        + "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\ndata: [DONE]\n\n",
    ]
  ) { bytes in
    for (dialect, other) in [(Dialect.openAIChat, Dialect.anthropicMessages), (.anthropicMessages, .openAIChat)] {
      var translation = StreamTranslation(from: dialect, Translation(), wantsUsage: true)
      var scanner = EventScanner()
      scanner.append(ByteBuffer(bytes: bytes))
      var written = ByteBuffer()
      while let event = try? scanner.next() { written.writeImmutableBuffer(translation.take(event)) }
      if let event = scanner.finish() { written.writeImmutableBuffer(translation.take(event)) }
      written.writeImmutableBuffer(translation.finish())
      var reader = UsageReader(dialect: other)
      var again = EventScanner(limit: .max)
      again.append(written)
      var ends = 0
      while let event = try? again.next() {
        guard ends == 0 else { return "\(dialect): something follows the end" }
        switch reader.take(event) {
        case .end, .failure: ends += 1
        case .content, .usageOnly, .other: break
        }
      }
      guard ends == 1, again.finish() == nil else { return "\(dialect): it ends \(ends) times" }
    }
    return nil
  }
}

import PalanaCore
import Testing

@testable import PalanaLLM

/// Requests of anthropic-messages for providers that speak openai-chat, and there and back.
@Suite struct MessagesRequestTranslationTests {
  static let rows: [(String, String)] = [
    (#""messages":[{"role":"user","content":"hi"}]"#, #""messages":[{"role":"user","content":"hi"}]"#),
    (
      #""system":"be kind","messages":[{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}},{"type":"text","text":"b"}]}]"#,
      #""messages":[{"role":"system","content":"be kind"},{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]"#
    ),
    (
      #""system":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"messages":[{"role":"user","content":"x"},{"role":"system","content":"c"}]"#,
      #""messages":[{"role":"system","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},{"role":"user","content":"x"},{"role":"system","content":"c"}]"#
    ),
    (
      #""messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"QUJD"}},{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}},{"type":"document","source":{"type":"text","media_type":"text/plain","data":"words"}},{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBE"}}]}]"#,
      #""messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}},{"type":"image_url","image_url":{"url":"https://example.com/a.png"}},{"type":"text","text":"words"},{"type":"file","file":{"filename":"document.pdf","file_data":"data:application/pdf;base64,JVBE"}}]}]"#
    ),
    (
      #""messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"ok"},{"type":"tool_use","id":"toolu_1","name":"f","input":{"a":[1,"x"]}},{"type":"tool_use","id":"toolu_2","name":"g","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"one"},{"type":"tool_result","tool_use_id":"toolu_2","is_error":true,"content":[{"type":"text","text":"no such file"},{"type":"image","source":{"type":"url","url":"https://example.com/b.png"}}]},{"type":"text","text":"go on"}]}]"#,
      #""messages":[{"role":"assistant","content":"ok","tool_calls":[{"id":"toolu_1","type":"function","function":{"name":"f","arguments":"{\"a\":[1,\"x\"]}"}},{"id":"toolu_2","type":"function","function":{"name":"g","arguments":"{}"}}]},{"role":"tool","tool_call_id":"toolu_1","content":"one"},{"role":"tool","tool_call_id":"toolu_2","content":[{"type":"text","text":"The tool failed."},{"type":"text","text":"no such file"}]},{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://example.com/b.png"}},{"type":"text","text":"go on"}]}]"#
    ),
    (
      #""messages":[{"role":"assistant","content":[{"type":"redacted_thinking","data":"x"}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t"}]}]"#,
      #""messages":[{"role":"tool","tool_call_id":"t","content":""}]"#
    ),
    (
      #""messages":[],"stream":true,"temperature":0.5,"top_p":0.9,"stop_sequences":["a","b"],"metadata":{"user_id":"u"},"thinking":{"type":"adaptive"},"service_tier":"auto","cache_control":{"type":"ephemeral"}"#,
      #""messages":[],"stream":true,"stream_options":{"include_usage":true},"temperature":0.5,"top_p":0.9,"stop":["a","b"],"user":"u""#
    ),
    (
      #""messages":[],"tools":[{"name":"f","description":"d","input_schema":{"type":"object"},"strict":true,"cache_control":{"type":"ephemeral"}},{"type":"custom","name":"g","input_schema":{}}],"tool_choice":{"type":"any","disable_parallel_tool_use":true}"#,
      #""messages":[],"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}},{"type":"function","function":{"name":"g","parameters":{}}}],"tool_choice":"required","parallel_tool_calls":false"#
    ),
    (
      #""messages":[],"tools":[{"name":"f","input_schema":{}}],"tool_choice":{"type":"tool","name":"f"}"#,
      #""messages":[],"tools":[{"type":"function","function":{"name":"f","parameters":{}}}],"tool_choice":{"type":"function","function":{"name":"f"}}"#
    ),
    (
      #""messages":[],"output_config":{"effort":"low","format":{"type":"json_schema","schema":{"type":"object"}}}"#,
      #""messages":[],"reasoning_effort":"low","response_format":{"type":"json_schema","json_schema":{"name":"answer","schema":{"type":"object"},"strict":true}}"#
    ),
  ]

  @Test(arguments: rows) func saysTheSame(_ before: String, _ after: String) throws {
    let request = try JSONValue(parsing: Array(#"{"model":"gpt","max_tokens":9,\#(before)}"#.utf8))
    let expected = try JSONValue(parsing: Array(#"{"model":"gpt","max_completion_tokens":9,\#(after)}"#.utf8))
    #expect(try Translation().request(request, from: .anthropicMessages) == expected)
  }

  static let refused: [(String, String)] = [
    (#""top_k":5"#, "top_k"), (#""container":"c""#, "container"), (#""mcp_servers":[]"#, "mcp_servers"), (#""speed":"fast""#, "speed"),
    (#""stop_sequences":["1","2","3","4","5"]"#, "stop_sequences"), (#""service_tier":"priority""#, "service_tier"),
    (#""tools":[{"type":"web_search_20250305","name":"web_search"}]"#, "tools[0].type"),
    (#""tools":[{"name":"f"}]"#, "tools[0].input_schema"),
    (#""tools":[{"name":"f","input_schema":{},"defer_loading":true}]"#, "tools[0].defer_loading"),
    (#""tools":[{"name":"f","input_schema":{}}],"tool_choice":{"type":"some"}"#, "tool_choice.type"),
    (#""output_config":{"format":{"type":"xml"}}"#, "output_config.format.type"), (#""output_config":{"task":1}"#, "output_config.task"),
    (#""messages":[{"role":"tool","content":"x"}]"#, "messages[0].role"),
    (#""messages":[{"role":"user","content":[{"type":"search_result"}]}]"#, "messages[0].content[0].type"),
    (
      #""messages":[{"role":"user","content":[{"type":"image","source":{"type":"file","file_id":"f"}}]}]"#,
      "messages[0].content[0].source.type"
    ),
    (
      #""messages":[{"role":"user","content":[{"type":"document","source":{"type":"url","url":"u"}}]}]"#,
      "messages[0].content[0].source.type"
    ),
    (#""messages":[{"role":"assistant","content":[{"type":"server_tool_use"}]}]"#, "messages[0].content[0].type"),
    (#""messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f"}]}]"#, "messages[0].content[0].input"),
    (#""system":[{"type":"image"}]"#, "system[0].type"),
  ]

  @Test(arguments: refused) func refusesByName(_ members: String, _ member: String) throws {
    let messages = members.contains(#""messages""#) ? "" : #""messages":[],"#
    let request = try JSONValue(parsing: Array(#"{"model":"m","max_tokens":9,\#(messages)\#(members)}"#.utf8))
    let error = #expect(throws: DialectError.self) { try Translation().request(request, from: .anthropicMessages) }
    #expect(error?.member == member)
    #expect(error?.message.contains("‘\(member)’") == true)
  }

  /// Each says after a way there and back what it said before.
  static let roundTrips: [String] = [
    #""messages":[{"role":"system","content":"be kind"},{"role":"user","content":"hi"},{"role":"assistant","content":"hello"},{"role":"user","content":[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"data:image/webp;base64,UklG"}}]}]"#,
    #""messages":[{"role":"user","content":"x"},{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1.50,\"b\":[true,null]}"}},{"id":"call_2","type":"function","function":{"name":"g","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_1","content":"one"},{"role":"tool","tool_call_id":"call_2","content":""},{"role":"user","content":"and?"}]"#,
    #""messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"a":{"type":"string"}}},"strict":true}}],"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false"#,
    #""messages":[{"role":"user","content":"x"}],"temperature":0.25,"top_p":0.5,"stop":["a"],"user":"u","stream":true,"stream_options":{"include_usage":true},"reasoning_effort":"medium""#,
  ]

  @Test(arguments: roundTrips) func comesBackTheSame(_ members: String) throws {
    let request = try JSONValue(parsing: Array(#"{"model":"m","max_completion_tokens":50,\#(members)}"#.utf8))
    let there = try Translation().request(request, from: .openAIChat)
    #expect(try Translation().request(there, from: .anthropicMessages) == request)
  }
}

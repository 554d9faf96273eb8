import PalanaCore
import Testing

@testable import PalanaLLM

/// Requests of openai-chat for providers that speak anthropic-messages.
@Suite struct ChatRequestTranslationTests {
  private static let rest = #""model":"claude","max_tokens":4096"#

  /// Members of a request beside its model, and of what becomes of it.
  static let rows: [(String, String)] = [
    (#""messages":[{"role":"user","content":"hi"}]"#, #""messages":[{"role":"user","content":"hi"}]"#),
    (
      #""messages":[{"role":"system","content":"a"},{"role":"developer","content":[{"type":"text","text":"b"}]},{"role":"user","content":"c"}]"#,
      #""system":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"messages":[{"role":"user","content":"c"}]"#
    ),
    (
      #""messages":[{"role":"user","content":"a"},{"role":"user","content":"b"},{"role":"assistant","content":""},{"role":"user","content":"c"}]"#,
      #""messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"},{"type":"text","text":"c"}]}]"#
    ),
    (
      #""messages":[{"role":"user","content":[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD","detail":"low"}},{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]}]"#,
      #""messages":[{"role":"user","content":[{"type":"text","text":"see"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"QUJD"}},{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}]}]"#
    ),
    (
      #""messages":[{"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBE"}}]}]"#,
      #""messages":[{"role":"user","content":[{"type":"document","title":"a.pdf","source":{"type":"base64","media_type":"application/pdf","data":"JVBE"}}]}]"#
    ),
    // Parallel calls, their results in one turn, and what the person says then.
    (
      #""messages":[{"role":"assistant","content":null,"reasoning_content":"hm","tool_calls":[{"id":"call.1","type":"function","function":{"name":"f","arguments":"{\"a\":1.50}"}},{"id":"call_2","type":"function","function":{"name":"g","arguments":""}}]},{"role":"tool","tool_call_id":"call.1","content":"one"},{"role":"tool","tool_call_id":"call_2","content":[{"type":"text","text":"x"},{"type":"text","text":"y"}]},{"role":"user","content":"go on"}]"#,
      #""messages":[{"role":"assistant","content":[{"type":"tool_use","id":"call_1","name":"f","input":{"a":1.50}},{"type":"tool_use","id":"call_2","name":"g","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","content":"one"},{"type":"tool_result","tool_use_id":"call_2","content":[{"type":"text","text":"x"},{"type":"text","text":"y"}]},{"type":"text","text":"go on"}]}]"#
    ),
    (
      #""messages":[{"role":"assistant","content":[{"type":"refusal","refusal":"no"}]},{"role":"assistant","content":null,"refusal":"never"}]"#,
      #""messages":[{"role":"assistant","content":[{"type":"text","text":"no"},{"type":"text","text":"never"}]}]"#
    ),
    (
      #""messages":[],"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}},{"type":"function","function":{"name":"g","strict":null}}]"#,
      #""messages":[],"tools":[{"name":"f","description":"d","input_schema":{"type":"object"},"strict":true},{"name":"g","input_schema":{"type":"object","properties":{}}}]"#
    ),
    (#""messages":[],"tools":[],"tool_choice":"none","parallel_tool_calls":false"#, #""messages":[]"#),
    (
      #""messages":[],"temperature":0.7,"top_p":0.9,"stop":"END","user":"u1","stream":true,"stream_options":{"include_usage":true}"#,
      #""messages":[],"temperature":0.7,"top_p":0.9,"stop_sequences":["END"],"metadata":{"user_id":"u1"},"stream":true"#
    ),
    (#""messages":[],"stop":["a","b"],"safety_identifier":"s""#, #""messages":[],"stop_sequences":["a","b"],"metadata":{"user_id":"s"}"#),
    (
      #""messages":[],"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"},"strict":true}},"reasoning_effort":"high""#,
      #""messages":[],"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}},"effort":"high"}"#
    ),
    (#""messages":[],"reasoning_effort":"none","response_format":{"type":"text"}"#, #""messages":[],"thinking":{"type":"disabled"}"#),
    (#""messages":[],"reasoning_effort":"minimal""#, #""messages":[],"output_config":{"effort":"low"}"#),
    // What says nothing, and hints.
    (
      #""messages":[],"n":1,"frequency_penalty":0,"presence_penalty":0.0,"logit_bias":{},"logprobs":false,"store":false,"service_tier":"auto","modalities":["text"],"seed":7,"metadata":{"a":"b"},"prompt_cache_key":"k","audio":null,"tools":null,"anything":null"#,
      #""messages":[]"#
    ),
  ]

  @Test(arguments: rows) func saysTheSame(_ before: String, _ after: String) throws {
    let request = try JSONValue(parsing: Array(#"{"model":"claude",\#(before)}"#.utf8))
    let expected = try JSONValue(parsing: Array(#"{\#(Self.rest),\#(after)}"#.utf8))
    #expect(try Translation().request(request, from: .openAIChat) == expected)
  }

  @Test(arguments: [
    (#""tool_choice":"auto""#, #"{"type":"auto"}"#), (#""tool_choice":"none","parallel_tool_calls":false"#, #"{"type":"none"}"#),
    (#""tool_choice":"required""#, #"{"type":"any"}"#),
    (#""tool_choice":{"type":"function","function":{"name":"f"}}"#, #"{"type":"tool","name":"f"}"#),
    (#""parallel_tool_calls":false"#, #"{"type":"auto","disable_parallel_tool_use":true}"#),
    (#""tool_choice":"required","parallel_tool_calls":false"#, #"{"type":"any","disable_parallel_tool_use":true}"#),
    (#""parallel_tool_calls":true"#, "null"),
  ])
  func choosesTools(_ before: String, _ after: String) throws {
    let text = #"{"model":"m","messages":[],"tools":[{"type":"function","function":{"name":"f"}}],\#(before)}"#
    let translated = try Translation().request(try JSONValue(parsing: Array(text.utf8)), from: .openAIChat)
    #expect(translated["tool_choice"] ?? .null == (try JSONValue(parsing: Array(after.utf8))))
  }

  @Test func boundsTheOutput() throws {
    var options = Translation()
    options.defaultMaxTokens = 77
    for (members, limit) in [
      ("", 77), (#","max_tokens":5"#, 5), (#","max_tokens":5,"max_completion_tokens":6"#, 6), (#","max_tokens":null"#, 77),
    ] {
      let request = try JSONValue(parsing: Array(#"{"model":"m","messages":[]\#(members)}"#.utf8))
      #expect(try options.request(request, from: .openAIChat)["max_tokens"]?.int == limit)
    }
  }

  static let refused: [(String, String)] = [
    (#""n":2"#, "n"), (#""temperature":1.5"#, "temperature"), (#""frequency_penalty":0.5"#, "frequency_penalty"),
    (#""presence_penalty":-1"#, "presence_penalty"), (#""logit_bias":{"50256":-100}"#, "logit_bias"), (#""logprobs":true"#, "logprobs"),
    (#""top_logprobs":5"#, "top_logprobs"), (#""store":true"#, "store"), (#""service_tier":"flex""#, "service_tier"),
    (#""modalities":["text","audio"]"#, "modalities"), (#""audio":{"voice":"alloy"}"#, "audio"), (#""verbosity":"low""#, "verbosity"),
    (#""functions":[]"#, "functions"), (#""function_call":"auto""#, "function_call"), (#""web_search_options":{}"#, "web_search_options"),
    (#""top_k":4"#, "top_k"), (#""response_format":{"type":"json_object"}"#, "response_format.type"),
    (#""response_format":{"type":"json_schema","json_schema":{"name":"n"}}"#, "response_format.json_schema.schema"),
    (#""tools":[{"type":"custom","custom":{"name":"x"}}]"#, "tools[0].type"), (#""tools":[7]"#, "tools[0]"),
    (#""tools":[{"type":"function","function":{"parameters":{}}}]"#, "tools[0].function.name"),
    (#""tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"allowed_tools"}"#, "tool_choice.type"),
    (#""stop":7"#, "stop"), (#""stream":"yes""#, "stream"),
    (#""messages":[{"role":"user","name":"bob","content":"x"}]"#, "messages[0].name"),
    (#""messages":[{"role":"function","content":"x"}]"#, "messages[0].role"), (#""messages":[{"content":"x"}]"#, "messages[0].role"),
    (#""messages":[{"role":"user","content":7}]"#, "messages[0].content"),
    (#""messages":[{"role":"user","content":[{"type":"input_audio"}]}]"#, "messages[0].content[0].type"),
    (
      #""messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"file:///etc/passwd"}}]}]"#,
      "messages[0].content[0].image_url.url"
    ),
    (#""messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"f"}}]}]"#, "messages[0].content[0].file.file_id"),
    (
      #""messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"data:text/csv;base64,QQ"}}]}]"#,
      "messages[0].content[0].file.file_data"
    ),
    (#""messages":[{"role":"system","content":[{"type":"image_url"}]}]"#, "messages[0].content[0].type"),
    (#""messages":[{"role":"tool","content":"x"}]"#, "messages[0].tool_call_id"),
    (#""messages":[{"role":"assistant","audio":{"id":"a"}}]"#, "messages[0].audio"),
    (#""messages":[{"role":"assistant","tool_calls":[{"id":"c","type":"custom","custom":{}}]}]"#, "messages[0].tool_calls[0].type"),
    (
      #""messages":[{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"[1]"}}]}]"#,
      "messages[0].tool_calls[0].function.arguments"
    ),
    (
      #""messages":[{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{\"a\":"}}]}]"#,
      "messages[0].tool_calls[0].function.arguments"
    ),
  ]

  @Test(arguments: refused) func refusesByName(_ members: String, _ member: String) throws {
    let messages = members.contains(#""messages""#) ? "" : #""messages":[],"#
    let request = try JSONValue(parsing: Array(#"{"model":"m",\#(messages)\#(members)}"#.utf8))
    let error = #expect(throws: DialectError.self) { try Translation().request(request, from: .openAIChat) }
    #expect(error?.member == member)
    #expect(error?.message.contains("‘\(member)’") == true)
  }

  @Test func otherDialectsAreNotTranslated() throws {
    for dialect in [Dialect.openAIResponses, .openAIEmbeddings] {
      #expect(throws: DialectError.self) { try Translation().request([:], from: dialect) }
      #expect(throws: DialectError.self) { try Translation().answer([:], from: dialect) }
    }
    #expect(throws: DialectError.self) { try Translation().request([], from: .openAIChat) }
    #expect(throws: DialectError.self) { try Translation().request([:], from: .openAIChat) }
  }
}

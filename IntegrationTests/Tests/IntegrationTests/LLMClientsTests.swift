import Foundation
import Testing

/// The SDKs that people use work inside of an agent with a placeholder for a key and the gateway for a base URL. The provider behind checks
/// every byte.
@Suite struct LLMClientsTests {
  private static let sentence = "Hello from the strict model"
  private static let words = #"["Hello", " from", " the", " strict", " model"]"#

  /// An agent with the SDKs, for all tests.
  private actor Ready {
    static let shared = Ready()
    private var making: Task<Models, any Error>?

    func models() async throws -> Models {
      let making =
        self.making
        ?? Task {
          let models = try await Models.shared.get()
          try await models.start("sdk", withSDKs: true)
          return models
        }
      self.making = making
      return try await making.value
    }
  }

  private func expect(_ outcomes: [String: String], _ wanted: [String: String], _ program: String) {
    for (name, value) in wanted.sorted(by: { $0.key < $1.key }) { #expect(outcomes[name] == value, "\(program), \(name)") }
    #expect(outcomes.keys.sorted() == wanted.keys.sorted())
  }

  @Test func openAI() async throws {
    let models = try await Ready.shared.models()
    let outcomes = try await models.outcomes("sdk", "use_openai", "openai")
    let weather = #"["weather", {"city": "Bern"}, "#
    expect(
      outcomes,
      [
        "chat": #"["\#(Self.sentence)", 7, "stop"]"#, "stream": "[\(Self.words), [], []]", "stream_usage": "[\(Self.words), 7, []]",
        "tools": weather + #""snow"]"#, "tools_stream": weather + "3]",
        "embeddings": "[[[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]], 6]", "responses": Self.sentence,
        "responses_stream": #"["\#(Self.sentence)", 7]"#, "models": #"["words"]"#, "models_of_a_route": #"["fast", "words"]"#,
        "alias": Self.sentence, "asynchronous": Self.sentence, "parallel": #"[32, ["\#(Self.sentence)"]]"#,
        "bad_request": "the strict model does not like it", "not_allowed": #"["model_not_allowed", "model"]"#, "no_route": "route_unknown",
        "gateway_tries_again": Self.sentence, "sdk_tries_again": #"["\#(Self.sentence)", "\#(Self.sentence)"]"#,
        "nobody_tries_again": "come again", "cancelled": #"["", " 0", " 1"]"#,
        "broken_off": #"[["Hello", " from"], "upstream_unreachable"]"#,
      ], "openai")
    // The model was told to stop.
    try await waitUntil("the provider sees that the client left") { try models.server.ends("endless").contains("left") }
    #expect(try models.server.faults() == [])
    // What the gateway changes is what it says that it changes.
    let alias = try models.server.received("words").last { $0["body"].string?.contains("1000") ?? false }
    #expect(
      alias?["body"].string
        == #"{"max_completion_tokens":1000,"model":"words","messages":[{"role":"user","content":"hello"}]}"#)
    try await waitUntil("every call is written down") {
      let events = try await models.events("sdk")
      return events.contains { $0["reason"].string == "model_not_allowed" } && events.contains { $0["reason"].string == "agent_left" }
        && events.contains {
          $0["details"]["model"].string == "words" && $0["details"]["inputTokens"].string == "3"
            && $0["details"]["outputTokens"].string == "4"
        }
    }
  }

  /// Against a provider that speaks Anthropic's dialect.
  @Test func openAITranslated() async throws {
    let models = try await Ready.shared.models()
    let outcomes = try await models.outcomes("sdk", "use_openai_chat", "to-claude")
    let weather = #"["weather", {"city": "Bern"}, "#
    expect(
      outcomes,
      [
        "chat": #"["\#(Self.sentence)", 7, "stop"]"#, "stream": #"[\#(Self.words), "stop"]"#, "stream_usage": "[\(Self.words), 7]",
        "tools": weather + #""tool_calls", "snow"]"#, "tools_stream": weather + #""tool_calls"]"#, "asynchronous": Self.sentence,
        "bad_request": "the strict model does not like it", "cancelled": #"[" 0", " 1"]"#,
        "broken_off": #"[["Hello", " from"], "upstream_unreachable"]"#,
      ], "to-claude")
    try await waitUntil("the provider sees that the client left") { try models.server.ends("endless").contains("left") }
    #expect(try models.server.faults() == [])
    let asked = try models.server.received("words").filter { $0["target"].string == "/v1/messages" }
    #expect(!asked.isEmpty)
  }

  /// Against a provider of the same dialect, and against one that speaks the other.
  @Test(arguments: ["claude", "to-openai"]) func anthropic(_ route: String) async throws {
    let models = try await Ready.shared.models()
    let outcomes = try await models.outcomes("sdk", "use_anthropic", route, route)
    expect(
      outcomes,
      [
        "message": #"["\#(Self.sentence)", 3, 4, "end_turn"]"#, "stream": "[\(Self.words), 4]",
        "tools": #"["weather", {"city": "Bern"}, "snow"]"#, "tools_stream": #"["weather", {"city": "Bern"}, "tool_use"]"#,
        "asynchronous": #"["\#(Self.sentence)"]"#, "bad_request": "the strict model does not like it",
        "sdk_tries_again": #"["\#(Self.sentence)", "\#(Self.sentence)"]"#, "cancelled": #"[" 0", " 1"]"#,
        "broken_off": #"[["Hello", " from"], "api_error"]"#,
      ], route)
    try await waitUntil("the provider sees that the client left") { try models.server.ends("endless").contains("left") }
    #expect(try models.server.faults() == [])
  }

  @Test func liteLLM() async throws {
    let models = try await Ready.shared.models()
    try await models.liteLLMAnswers()
    let outcomes = try await models.outcomes("sdk", "use_litellm")
    let hello = "Hello from LiteLLM"
    expect(
      outcomes,
      [
        // LiteLLM says the usage in a chunk that has a choice, so that it is not taken for one that is there for the usage alone.
        "chat": hello, "stream": #"["\#(hello)", 1]"#, "stream_usage": "true", "relayed": #"["\#(Self.sentence)", 7]"#,
        "models": #"["limited", "mocked", "relayed"]"#, "unknown_model": "400", "broken_model": "429", "messages": hello,
        "messages_stream": Self.sentence, "translated": hello, "translated_stream": hello,
      ], "LiteLLM")
  }
}

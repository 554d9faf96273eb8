import NIOHTTP1
import PalanaAPI
import PalanaAudit
import PalanaCore
import Testing

@testable import PalanaLLM

/// An agent that speaks one dialect, and an upstream that speaks another one.
@Suite(.timeLimit(.minutes(2))) struct GatewayTranslationTests {
  static let chatPath = "/unified/v1/chat/completions"
  static let messagesPath = "/unified/v1/messages"
  static let messages = #"{"model":"claude-sonnet-4-5","max_tokens":50,"messages":[{"role":"user","content":"Say hello"}]}"#
  static let message =
    #"{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[{"type":"text","text":"hello"}],"#
    + #""stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":11,"output_tokens":4}}"#

  /// A route to upstreams of these styles.
  static func route(_ upstreams: [(url: String, style: RouteStyle)]) -> LLMRoute {
    var route = GatewayWorld.route(upstreams.map(\.url))
    for index in route.upstreams.indices {
      route.upstreams[index].style = upstreams[index].style
      if upstreams[index].style == .anthropic { route.upstreams[index].credential?.field = .apiKey }
    }
    return route
  }

  static func json(_ text: String) throws -> JSONValue { try JSONValue(parsing: Array(text.utf8)) }

  @Test func chatIsAnsweredByMessages() async throws {
    try await TestUpstream.run({ _, answer in try await answer.whole(.ok, [], Self.message) }) { upstream in
      try await GatewayWorld.run([Self.route([(upstream.url, .anthropic)])]) { world in
        let answer = try await world.agent.post(
          Self.chatPath, GatewayCallTests.chat("claude-sonnet-4-5"), [("openai-beta", "x"), ("authorization", "Bearer placeholder")])
        #expect(answer.status == 200)
        #expect(answer.fields.first(name: "content-length") == "\(answer.body.utf8.count)")
        let body = try Self.json(answer.body)
        #expect(body["object"]?.string == "chat.completion")
        #expect(body["choices"]?[0]?["message"]?["content"]?.string == "hello")
        #expect(body["usage"]?["prompt_tokens"] == 11)

        let request = try #require(upstream.requests.first)
        #expect(request.head.uri == "/v1/messages")
        #expect(request.field("x-api-key") == "\(GatewayWorld.key)-demo")
        #expect(request.field("authorization") == nil)
        #expect(request.field("openai-beta") == nil)
        #expect(request.field("anthropic-version") == "2023-06-01")
        let sent = try Self.json(request.body)
        // The route's bound: Anthropic's dialect cannot be without one.
        #expect(sent["max_tokens"] == 1_000)
        #expect(sent["messages"]?[0]?["role"]?.string == "user")

        let event = try #require(try await world.trail.calls(1).first)
        #expect(event.details["inputTokens"] == "11")
        #expect(event.details["outputTokens"] == "4")
        #expect(event.details["estimated"] == nil)
      }
    }
  }

  @Test func messagesAreAnsweredByChat() async throws {
    try await TestUpstream.run({ _, answer in try await answer.whole(.ok, [], GatewayCallTests.completion()) }) { upstream in
      try await GatewayWorld.run([Self.route([(upstream.url, .openAI)])]) { world in
        let answer = try await world.agent.post(
          Self.messagesPath + "?beta=true", Self.messages, [("anthropic-version", "2023-06-01"), ("x-api-key", "placeholder")])
        #expect(answer.status == 200)
        let body = try Self.json(answer.body)
        #expect(body["type"]?.string == "message")
        #expect(body["content"]?[0]?["text"]?.string == "hello")
        #expect(body["stop_reason"]?.string == "end_turn")
        let request = try #require(upstream.requests.first)
        #expect(request.head.uri == "/v1/chat/completions")
        #expect(request.field("anthropic-version") == nil)
        #expect(request.field("authorization") == "Bearer \(GatewayWorld.key)-demo")
        let event = try #require(try await world.trail.calls(1).first)
        #expect(event.details["inputTokens"] == "12")
      }
    }
  }

  static func event(_ type: String, _ data: String) -> String { "event: \(type)\ndata: \(data)\n\n" }

  static let messageEvents = [
    event(
      "message_start",
      #"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"#
        + #""stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":1}}}"#),
    event("content_block_start", #"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#),
    event("content_block_delta", #"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hel"}}"#),
    event("content_block_delta", #"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"lo"}}"#),
    event("content_block_stop", #"{"type":"content_block_stop","index":0}"#),
    event(
      "message_delta",
      #"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":2}}"#),
    event("message_stop", #"{"type":"message_stop"}"#),
  ]

  /// Each piece of text is with the agent before the next one is written.
  @Test func aStreamIsTranslatedAsItComes() async throws {
    let (steps, step) = AsyncStream.makeStream(of: Void.self)
    try await TestUpstream.run({ _, answer in
      try await answer.beginStream()
      var next = steps.makeAsyncIterator()
      for event in Self.messageEvents {
        try await answer.send(event)
        if event.contains("text_delta") { _ = await next.next() }
      }
      try await answer.end()
    }) { upstream in
      try await GatewayWorld.run([Self.route([(upstream.url, .anthropic)])]) { world in
        let got = try await world.agent.open(Self.chatPath, GatewayCallTests.chat("m", #","stream":true"#)) { reader in
          let status = try await reader.head().status
          #expect(status == .ok)
          var got = ""
          for text in [#""hel""#, #""lo""#] {
            while !got.contains(text) { got += try await reader.piece() ?? "" }
            step.yield()
          }
          while let piece = try await reader.piece() { got += piece }
          return got
        }
        #expect(got.hasSuffix("data: [DONE]\n\n"))
        #expect(got.contains(#""finish_reason":"stop""#))
        // It did not ask for the usage.
        #expect(!got.contains("prompt_tokens"))
        let event = try #require(try await world.trail.calls(1).first)
        #expect(event.details["inputTokens"] == "9")
        #expect(event.details["outputTokens"] == "2")
      }
    }
  }

  @Test func aStreamOfChatComesAsMessages() async throws {
    try await TestUpstream.run({ _, answer in
      try await answer.beginStream()
      try await answer.send(GatewayStreamTests.piece("hel") + GatewayStreamTests.piece("lo"))
      try await answer.send(
        #"data: {"id":"c1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"# + "\n\n")
      try await answer.send(GatewayStreamTests.usage + GatewayStreamTests.done)
      try await answer.end()
    }) { upstream in
      try await GatewayWorld.run([Self.route([(upstream.url, .openAI)])]) { world in
        let answer = try await world.agent.post(
          Self.messagesPath, #"{"model":"m","stream":true,"max_tokens":50,"messages":[{"role":"user","content":"Say hello"}]}"#)
        #expect(answer.status == 200 && answer.isWhole)
        #expect(answer.body.hasPrefix("event: message_start\n"))
        #expect(answer.body.contains(#""text":"hel""#))
        #expect(answer.body.hasSuffix(Self.messageEvents.last ?? "-"))
        #expect(upstream.requests.first?.body.contains(#""include_usage":true"#) == true)
        let event = try #require(try await world.trail.calls(1).first)
        #expect(event.details["outputTokens"] == "2")
      }
    }
  }

  /// What the upstream breaks off is an error in the agent's dialect, not an end.
  @Test func aTranslatedStreamThatBreaksOff() async throws {
    try await TestUpstream.run({ _, answer in
      try await answer.beginStream()
      for event in Self.messageEvents.prefix(3) { try await answer.send(event) }
      try await answer.end()
    }) { upstream in
      try await GatewayWorld.run([Self.route([(upstream.url, .anthropic)])]) { world in
        let answer = try await world.agent.post(Self.chatPath, GatewayCallTests.chat("m", #","stream":true"#))
        #expect(answer.body.contains("upstream_broke_off"))
        #expect(!answer.body.contains("[DONE]"))
      }
    }
  }

  struct Failure: Sendable, CustomTestStringConvertible {
    var status: Int
    var body: String
    var wanted: Int
    var says: String
    var testDescription: String { "\(status) \(body.prefix(40))" }
  }

  @Test(arguments: [
    Failure(
      status: 400, body: #"{"type":"error","error":{"type":"invalid_request_error","message":"too long"}}"#, wanted: 400,
      says: #""message":"too long""#),
    Failure(status: 404, body: "not here", wanted: 404, says: "the provider answered with status 404"),
    Failure(status: 200, body: "not JSON", wanted: 502, says: "upstream_failed"),
    Failure(status: 200, body: #"{"type":"message"}"#, wanted: 502, says: "upstream_failed"),
  ])
  func errorsAreTranslated(_ failure: Failure) async throws {
    try await TestUpstream.run({ _, answer in
      try await answer.whole(HTTPResponseStatus(statusCode: failure.status), [], failure.body)
    }) { upstream in
      try await GatewayWorld.run([Self.route([(upstream.url, .anthropic)])]) { world in
        let answer = try await world.agent.post(Self.chatPath, GatewayCallTests.chat("m"))
        #expect(answer.status == failure.wanted)
        let body = try Self.json(answer.body)
        #expect(body["error"]?["message"]?.string != nil)
        #expect(body["type"] == nil)
        #expect(answer.body.contains(failure.says), "\(answer.body)")
      }
    }
  }

  static let embeddings = #"{"model":"e","input":"hello"}"#
  /// A part of a request that has no like in the other dialect.
  static let logprobs = GatewayCallTests.chat("m", #","logprobs":true"#)

  /// What only one dialect can say goes to the upstream that speaks it; where there is none, it is refused by its name.
  @Test func whatCannotBeTranslatedGoesWhereItIsUnderstood() async throws {
    try await TestUpstream.run({ _, answer in try await answer.whole(.ok, [], Self.message) }) { other in
      try await TestUpstream.run({ _, answer in try await answer.whole(.ok, [], GatewayCallTests.completion()) }) { own in
        try await GatewayWorld.run([Self.route([(other.url, .anthropic), (own.url, .openAI)])]) { world in
          for _ in 0..<3 {
            let first = try await world.agent.post("/unified/v1/embeddings", Self.embeddings).status
            #expect(first == 200)
            let second = try await world.agent.post(Self.chatPath, Self.logprobs).status
            #expect(second == 200)
          }
          #expect(other.requests.isEmpty)
          #expect(own.requests.count == 6)
        }
        try await GatewayWorld.run([Self.route([(other.url, .anthropic)])]) { world in
          let first = try await world.agent.post("/unified/v1/embeddings", Self.embeddings)
          #expect(first.status == 400 && first.body.contains("untranslatable"))
          let second = try await world.agent.post(Self.chatPath, Self.logprobs)
          #expect(second.status == 400 && second.body.contains("logprobs"))
          #expect(other.requests.isEmpty)
          // Nothing stays reserved.
          #expect(world.ledger.openCalls == 0)
        }
      }
    }
  }

  @Test func tokensAreCountedWhereNoUpstreamCounts() async throws {
    try await GatewayWorld.run([Self.route([("http://127.0.0.1:1", .openAI)])]) { world in
      let answer = try await world.agent.post(Self.messagesPath + "/count_tokens", Self.messages)
      #expect(answer.status == 200)
      let body = try Self.json(answer.body)
      #expect((body["input_tokens"]?.int ?? 0) > 16)
      let bad = try await world.agent.post(Self.messagesPath + "/count_tokens", "{")
      #expect(bad.status == 400 && bad.body.contains(#""type":"error""#))
    }
  }

  /// What an upstream says of the credential stays with the operators; one that accepts its own is asked.
  @Test func aRefusedCredentialIsNotTheAgents() async throws {
    let says = #"{"error":{"message":"Incorrect API key provided: sk-real-0123456789-demo"}}"#
    try await TestUpstream.run({ _, answer in try await answer.whole(.unauthorized, [], says) }) { bad in
      try await GatewayWorld.run([GatewayWorld.route([bad.url])]) { world in
        let answer = try await world.agent.post(Self.chatPath, GatewayCallTests.chat())
        #expect(answer.status == 502)
        #expect(answer.body.contains("credential_refused") && !answer.body.contains("sk-real"))
        #expect(answer.fields.first(name: "x-should-retry") == "false")
        let event = try #require(try await world.trail.calls(1).first)
        #expect(event.decision == .error && event.reason == "credential_refused")
      }
      try await TestUpstream.run({ _, answer in try await answer.whole(.ok, [], GatewayCallTests.completion()) }) { good in
        try await GatewayWorld.run([GatewayWorld.route([bad.url, good.url])]) { world in
          for _ in 0..<12 {
            let status = try await world.agent.post(Self.chatPath, GatewayCallTests.chat()).status
            #expect(status == 200)
          }
          // It answers, if not this agent: it keeps its part of the requests.
          #expect(bad.requests.count >= 1 + 5)
        }
      }
    }
  }
}

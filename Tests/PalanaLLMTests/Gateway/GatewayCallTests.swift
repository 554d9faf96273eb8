import NIOHTTP1
import PalanaAPI
import PalanaAudit
import PalanaCore
import Synchronization
import Testing

@testable import PalanaLLM

/// Requests that are not streams.
@Suite(.timeLimit(.minutes(2))) struct GatewayCallTests {
  static let path = "/unified/v1/chat/completions"

  static func chat(_ model: String = "gpt-4o-mini", _ more: String = "") -> String {
    #"{"model":"\#(model)","messages":[{"role":"user","content":"Say hello"}]\#(more)}"#
  }

  static func completion(input: Int = 12, output: Int = 3) -> String {
    #"{"id":"c1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"#
      + #""finish_reason":"stop"}],"usage":{"prompt_tokens":\#(input),"completion_tokens":\#(output),"total_tokens":\#(input + output)}}"#
  }

  @Test func anAnswerComesThroughAndIsCounted() async throws {
    try await TestUpstream.run({ _, answer in
      try await answer.whole(.ok, [("x-request-id", "up-1"), ("set-cookie", "a=b"), ("openai-organization", "org-1")], Self.completion())
    }) { upstream in
      try await GatewayWorld.run([GatewayWorld.route([upstream.url])]) { world in
        let answer = try await world.agent.post(
          Self.path, Self.chat("gpt-4o-mini", #","max_tokens":50"#),
          [
            ("authorization", "Bearer sk-placeholder"), ("x-api-key", "mine"), ("x-palana-agent", "somebody-else"),
            ("x-forwarded-for", "10.0.0.1"), ("cookie", "s=1"), ("openai-beta", "assistants=v2"),
          ])
        #expect(answer.status == 200)
        #expect(answer.body == Self.completion())
        #expect(answer.fields.first(name: "x-request-id") == "up-1")
        #expect(answer.fields.first(name: "set-cookie") == nil)
        #expect(answer.fields.first(name: "openai-organization") == nil)

        let request = try #require(upstream.requests.first)
        #expect(request.head.uri == "/v1/chat/completions")
        #expect(request.body == Self.chat("gpt-4o-mini", #","max_tokens":50"#))
        #expect(request.field("authorization") == "Bearer \(GatewayWorld.key)-demo")
        #expect(request.field("openai-beta") == "assistants=v2")
        for name in ["x-api-key", "x-palana-agent", "x-forwarded-for", "cookie"] { #expect(request.field(name) == nil, "\(name)") }

        let event = try #require(try await world.trail.calls(1).first)
        #expect(event.decision == .allow)
        #expect(event.agent?.name == "demo")
        #expect(event.details["inputTokens"] == "12")
        #expect(event.details["outputTokens"] == "3")
        #expect(event.details["model"] == "gpt-4o-mini")
        #expect(event.response?.status == 200)
        #expect(event.request?.path == Self.path)
      }
    }
  }

  /// What agents ask for is not more than the route gives, and an alias has its name at the upstream.
  @Test func theRequestIsPutRight() async throws {
    try await TestUpstream.run({ _, answer in try await answer.whole(.ok, [], Self.completion()) }) { upstream in
      var route = GatewayWorld.route([upstream.url + "/v1"])
      route.models = ModelRules(allowed: ["gpt-4o*"], aliases: ["fast": "gpt-4o-mini-2024-07-18"])
      try await GatewayWorld.run([route]) { world in
        let value1 = try await world.agent.post(Self.path, Self.chat("fast", #","max_tokens":5000"#)).status
        #expect(value1 == 200)
        let value2 = try await world.agent.post(Self.path, Self.chat("gpt-4o")).status
        #expect(value2 == 200)
        let refused = try await world.agent.post(Self.path, Self.chat("o1-pro"))
        #expect(refused.status == 403)
        #expect(refused.body.contains("model_not_allowed") && refused.body.contains("gpt-4o*"))
        let bodies = upstream.requests.map(\.body)
        #expect(bodies.count == 2)
        #expect(bodies.first?.contains(#""model":"gpt-4o-mini-2024-07-18""#) == true)
        #expect(bodies.first?.contains(#""max_tokens":1000"#) == true)
        #expect(bodies.last?.contains("1000") == true)
        #expect(upstream.requests.first?.head.uri == "/v1/chat/completions")
        let models = try await world.agent.post("/unified/v1/models", "", method: .GET)
        #expect(models.status == 200)
        #expect(models.body.contains(#""fast""#) && !models.body.contains("*"))
        #expect(upstream.requests.count == 2)
      }
    }
  }

  struct Bad: Sendable, CustomTestStringConvertible {
    var path = GatewayCallTests.path
    var body: String
    var fields: [(String, String)] = []
    var status: Int
    var reason: String
    var testDescription: String { "\(reason): \(path) \(body.prefix(60))" }
  }

  @Test(arguments: [
    Bad(path: "/nowhere/v1/chat/completions", body: "{}", status: 404, reason: "route_unknown"),
    Bad(path: "/", body: "{}", status: 404, reason: "route_unknown"),
    Bad(path: "/unified", body: "{}", status: 404, reason: "endpoint_unknown"),
    Bad(path: "/unified/v1/files", body: "{}", status: 404, reason: "endpoint_unknown"),
    Bad(path: "/unified/v1/threads", body: "{}", status: 404, reason: "endpoint_unknown"),
    Bad(path: "/unified/../v1/models", body: "{}", status: 404, reason: "endpoint_unknown"),
    Bad(path: "/pass/v1/../../admin", body: "{}", status: 400, reason: "malformed_request"),
    Bad(path: "/pass/v1/%2e%2E/admin", body: "{}", status: 400, reason: "malformed_request"),
    Bad(path: "/pass/v1/..%2fadmin", body: "{}", status: 400, reason: "malformed_request"),
    Bad(path: "/pass//other.test/admin", body: "{}", status: 400, reason: "malformed_request"),
    Bad(path: "http://other.test/nowhere", body: "{}", status: 404, reason: "route_unknown"),
    Bad(body: "", status: 400, reason: "malformed_request"), Bad(body: "{", status: 400, reason: "malformed_request"),
    Bad(body: #"{"messages":[]}"#, status: 400, reason: "malformed_request"),
    Bad(body: #"{"model":"a","model":"b","messages":[]}"#, status: 400, reason: "malformed_request"),
    Bad(body: "{}", fields: [("content-encoding", "gzip")], status: 415, reason: "malformed_request"),
    Bad(body: String(repeating: "a", count: 2_000), status: 413, reason: "request_too_large"),
  ])
  func whatCannotBeTakenIsSaid(_ bad: Bad) async throws {
    try await TestUpstream.run({ _, answer in try await answer.whole(.ok, [], "{}") }) { upstream in
      var limits = LLMLimits()
      limits.requestBytes = 1_500
      var through = LLMRoute(
        name: "pass", style: .passThrough, upstreams: [LLMUpstream(name: "u", url: upstream.url, style: .passThrough)])
      through.retries = 0
      try await GatewayWorld.run([GatewayWorld.route([upstream.url]), through], limits: limits) { world in
        let answer = try await world.agent.post(bad.path, bad.body, bad.fields)
        #expect(answer.status == bad.status)
        #expect(answer.body.contains(bad.reason), "\(answer.body)")
        #expect(upstream.requests.isEmpty)
        let event = try #require(try await world.trail.calls(1).first)
        #expect(event.decision == .deny)
        #expect(event.reason == bad.reason)
      }
    }
  }

  /// Nothing is read, and the call counts all the same.
  @Test func whatPassesThroughIsCounted() async throws {
    try await TestUpstream.run({ request, answer in try await answer.whole(.ok, [], request.body + "!") }) { upstream in
      let through = LLMRoute(
        name: "pass", style: .passThrough,
        upstreams: [
          LLMUpstream(name: "u", url: upstream.url + "/base", style: .passThrough, credential: GatewayWorld.credential)
        ])
      let budget = LLMBudget(
        metadata: ObjectMeta(name: try ResourceName("calls")),
        spec: LLMBudgetSpec(limits: [LLMBudgetLimit(window: .day, requests: 1)]))
      try await GatewayWorld.run([through], budgets: [budget]) { world in
        let answer = try await world.agent.post("/pass/any/thing?x=1", "not JSON")
        #expect(answer.status == 200 && answer.body == "not JSON!")
        #expect(upstream.requests.first?.head.uri == "/base/any/thing?x=1")
        #expect(upstream.requests.first?.field("authorization") == "Bearer \(GatewayWorld.key)-demo")
        let over = try await world.agent.post("/pass/any/thing", "{}")
        #expect(over.status == 429 && over.body.contains("budget_exceeded"))
      }
    }
  }

  /// Where a redirect leads, the credential must not go, nor the agent.
  @Test func noRedirectIsFollowed() async throws {
    try await TestUpstream.run({ _, answer in
      try await answer.whole(.temporaryRedirect, [("location", "http://127.0.0.1:1/x")], "")
    }) { upstream in
      try await GatewayWorld.run([GatewayWorld.route([upstream.url])]) { world in
        let answer = try await world.agent.post(Self.path, Self.chat())
        #expect(answer.status == 502 && answer.body.contains("redirect"))
        #expect(answer.fields.first(name: "location") == nil)
        #expect(upstream.requests.count == 1)
      }
    }
  }

  @Test func whoIsNobodyGetsNothing() async throws {
    try await GatewayWorld.run([GatewayWorld.route(["http://127.0.0.1:1"])]) { world in
      await #expect(throws: (any Error).self) { try await world.stranger.post(Self.path, Self.chat()) }
      #expect(world.trail.events.contains { $0.reason == "agent_unknown" && $0.source?.ip == IPAddress("127.0.0.3") })
    }
  }

  @Test func withoutACredentialNothingGoesOut() async throws {
    try await TestUpstream.run({ _, answer in try await answer.whole(.ok, [], "{}") }) { upstream in
      for code in [PalanaError.Code.notFound, .unreachable, .denied] {
        let secrets = GatewayWorld.Secrets(failure: PalanaError(code, "no"))
        try await GatewayWorld.run([GatewayWorld.route([upstream.url])], secrets: secrets) { world in
          let answer = try await world.agent.post(Self.path, Self.chat())
          #expect(answer.status == 503)
          #expect(answer.body.contains("secret_unavailable"))
        }
      }
      #expect(upstream.requests.isEmpty)
    }
  }

  @Test func whatCannotBeWrittenDownDoesNotHappen() async throws {
    try await TestUpstream.run({ _, answer in try await answer.whole(.ok, [], Self.completion()) }) { upstream in
      try await GatewayWorld.run([GatewayWorld.route([upstream.url])]) { world in
        world.trail.isDown.withLock { $0 = true }
        // The first is found out by its own event; what comes after it does not go out. One connection, so that it is one loop.
        _ = try await world.agent.post(Self.path, Self.chat())
        var statuses: Set<Int> = []
        for _ in 0..<6 { statuses.insert(try await world.agent.post(Self.path, Self.chat()).status) }
        #expect(statuses.contains(503))
        #expect(upstream.requests.count <= 2)
        world.trail.isDown.withLock { $0 = false }
        while try await world.agent.post(Self.path, Self.chat()).status != 200 {}
      }
    }
  }
}

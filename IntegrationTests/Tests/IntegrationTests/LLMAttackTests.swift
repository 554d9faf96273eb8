import Foundation
import Testing

/// An agent that means harm: it claims to be another, hides requests in requests, and looks for other ways than the routes.
@Suite struct LLMAttackTests {
  /// Agents for all tests of the suite.
  private actor Ready {
    static let shared = Ready()
    private var making: Task<Models, any Error>?

    func models() async throws -> Models {
      let making =
        self.making
        ?? Task {
          let models = try await Models.shared.get()
          try await models.start("attacker")
          try await models.start("victim")
          try await models.start("neighbour")
          return models
        }
      self.making = making
      return try await making.value
    }
  }

  @Test func whatAnAgentClaimsToBeDoesNotCount() async throws {
    let models = try await Ready.shared.models()
    let claims = [
      ["x-forwarded-for", "10.0.0.1"], ["forwarded", "for=10.0.0.1"], ["x-palana-agent", "victim"], ["x-user-id", "victim"],
      ["openai-organization", "org-1"], ["openai-project", "proj-1"], ["x-litellm-user", "victim"], ["x-stainless-os", "Linux"],
      ["authorization", "Bearer sk-of-the-attacker"], ["x-api-key", "sk-of-the-attacker"], ["api-key", "sk-of-the-attacker"],
      ["cookie", "a=b"], ["proxy-authorization", "Basic dmljdGltOng="], ["x-request-id", "chosen"], ["traceparent", "00-1-2-01"],
    ]
    let answers = try await models.ask(
      "attacker", [.chat("unified", "words", fields: claims), .chat("to-claude", "words", fields: claims), .chat("litellm-none", "words")])
    #expect(answers.map(\.status) == [200, 200, 404])
    #expect(try models.server.faults() == [])
    let victim = try await models.platform.pcli("get", "agents", "victim", "-o", "json").json()
    let address: String = try #require(victim["status"]["address"].string)
    var spoofed = ModelAsk.chat("unified", "words")
    spoofed.from = address
    let answer = try await models.ask("attacker", spoofed)
    #expect(answer.status == 0 && answer.how != "whole")
    // Who is claimed to be the caller never calls in these tests.
    #expect(try await models.events("victim") == [])
  }

  /// Requests in requests: each is refused or is one request, and the second never gets out.
  @Test func noRequestHidesInAnother() async throws {
    let models = try await Ready.shared.models()
    let hidden = "POST /unified/v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
    let start = "POST /unified/v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
    let body = #"{"model": "smuggled", "messages": [{"role": "user", "content": "hello"}]}"#
    let attempts = [
      "content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", "content-length: 5\r\ncontent-length: 6\r\n\r\n",
      "content-length: 5, 5\r\n\r\n", "transfer-encoding: xchunked\r\n\r\n", "transfer-encoding: chunked, identity\r\n\r\n",
      "transfer-encoding : chunked\r\n\r\n0\r\n\r\n", "content-length: +5\r\n\r\n", "content-length: 0x10\r\n\r\n", "x: a\r\n b\r\n\r\n",
      "x: a\0b\r\ncontent-length: 0\r\n\r\n", "x: a\nb: c\r\ncontent-length: 0\r\n\r\n", "x y: z\r\ncontent-length: 0\r\n\r\n",
      "transfer-encoding: chunked\r\n\r\nZ\r\n\(body)\r\n0\r\n\r\n", "transfer-encoding: chunked\r\n\r\n-5\r\n\(body)\r\n0\r\n\r\n",
      "transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n\(body)\r\n0\r\n\r\n",
    ]
    let answers = try await models.ask("attacker", attempts.map { ModelAsk(send: start + $0 + hidden) })
    for (attempt, answer) in zip(attempts, answers) {
      #expect(answer.status == 0 || (400..<500).contains(answer.status), "\(attempt.debugDescription): \(answer.status)")
    }
    #expect(try models.server.received("smuggled").isEmpty)
    // Neither what was hidden: it has no model.
    #expect(try models.server.received().allSatisfy { $0["method"].string == "GET" || $0["model"].string != nil })
  }

  @Test func thereIsNoWayButTheRoutes() async throws {
    let models = try await Ready.shared.models()
    let paths = [
      "/unified/../unified/v1/chat/completions", "/unified/%2e%2e/v1/chat/completions", "//unified/v1/chat/completions",
      "/unified//v1/chat/completions",
      "/unified/v1/../v1/chat/completions", "/unified/v1/chat/completions/", "/UNIFIED/v1/chat/completions", "/unified/v1/files",
      "/unified/v1/organization/api_keys", "/%75nified/v1/chat/completions", "/", "/unified", "/v1/chat/completions",
      "/unified/v1/chat/completions%00",
      "\\unified\\v1\\chat\\completions", "/unified;/v1/chat/completions", "/unified/v1/chat/completions#x",
    ]
    let body = #"{"model": "elsewhere", "messages": [{"role": "user", "content": "hello"}]}"#
    let answers = try await models.ask("attacker", paths.map { ModelAsk(path: $0, body: body) })
    for (path, answer) in zip(paths, answers) {
      #expect((400..<500).contains(answer.status) || answer.status == 0, "\(path): \(answer.status)")
    }
    // Wherever a target points, the route leads to its own upstream; without a route nowhere.
    let targets = [
      "http://169.254.169.254/latest/meta-data/", "http://127.0.0.1:7180/v1/agents", "\(models.server.url)/v1/models",
      "http://user:pass@\(models.server.address):\(models.server.port)/v1/models", "https://api.openai.com/v1/models", "file:///etc/passwd",
      "http://[::1]/", "gopher://x/",
    ]
    let sent =
      targets.map { ModelAsk(send: "GET \($0) HTTP/1.1\r\nhost: x\r\n\r\n") } + [
        ModelAsk(send: "CONNECT \(models.server.address):\(models.server.port) HTTP/1.1\r\nhost: x\r\n\r\n"),
        ModelAsk(send: "OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n"), ModelAsk(send: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ModelAsk(send: "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}"),
      ]
    for (ask, answer) in zip(sent, try await models.ask("attacker", sent)) {
      #expect((400..<506).contains(answer.status) || answer.status == 0, "\(ask.send ?? ""): \(answer.status)")
    }
    #expect(try models.server.received("elsewhere").isEmpty)
    // The SDKs ask for models; nobody else does.
    #expect(try models.server.received().allSatisfy { $0["method"].string == "POST" || $0["target"].string == "/v1/models" })
  }

  @Test func giantsDoNotFit() async throws {
    let models = try await Ready.shared.models()
    let start = "POST /unified/v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
    let megabyte = String(repeating: "x", count: 1 << 20)
    let answers = try await models.ask(
      "attacker",
      [
        ModelAsk(send: start + "content-length: 17000000\r\n\r\n", fill: megabyte, repeat: 17),
        ModelAsk(send: start + "transfer-encoding: chunked\r\n\r\n", fill: "100000\r\n\(megabyte)\r\n", repeat: 17),
        ModelAsk(send: start + "x: \(megabyte)\r\n\r\n"), ModelAsk(send: "POST /\(megabyte) HTTP/1.1\r\nhost: x\r\n\r\n"),
        ModelAsk(send: start + "content-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}"),
        ModelAsk(path: "/unified/v1/chat/completions", body: String(repeating: "[", count: 1_000_000)),
        ModelAsk(path: "/unified/v1/chat/completions", body: #"{"model": "words", "model": "forbidden", "messages": []}"#),
      ])
    #expect(answers[0].status == 413 && answers[0].reason == "request_too_large")
    #expect(answers[1].status == 413 && answers[1].reason == "request_too_large")
    #expect(answers[2...3].allSatisfy { $0.status == 0 || (400..<500).contains($0.status) })
    #expect(answers[4].status == 415)
    #expect(answers[5...].allSatisfy { $0.status == 400 && $0.reason == "malformed_request" })
    #expect(try models.server.received().allSatisfy { $0["bytes"].number.map { $0 < 100_000 } ?? false })
    #expect(try await models.ask("neighbour", .chat("unified", "words")).status == 200)
  }
}

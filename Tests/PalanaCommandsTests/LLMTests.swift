import PalanaCore
import Testing

@testable import PalanaCommands

@Suite("pcli: language models")
struct LLMTests {
  private static let canary = "c4nary-2b7e11"

  private static func query(_ result: CommandResult) -> Set<String> {
    Set((result.requests.first?.uri ?? "").drop { $0 != "?" }.dropFirst().split(separator: "&").map(String.init))
  }

  @Test("the filters of usage and calls travel")
  func filters() async throws {
    let usage = try await CommandRunner.run(
      [
        "llm", "usage", "--by", "model", "--since", "1h", "--until", "2026-11-21T00:30:00Z", "--agent", "a", "--owner", "o", "--model", "m",
        "--route", "r", "--limit", "9",
      ], answers: ["GET /v1/llm/usage": Fixtures.usage])
    #expect(usage.code == 0, "\(usage.error)")
    #expect(
      Self.query(usage) == [
        "by=model", "limit=9", "from=2026-11-21T00%3A00%3A00.000000Z", "to=2026-11-21T00%3A30%3A00.000000Z", "agent=a", "owner=o",
        "model=m",
        "route=r",
      ])
    let calls = try await CommandRunner.run(
      ["llm", "calls", "--agent", "a", "--owner", "o", "--limit", "9"], answers: ["GET /v1/llm/calls": Fixtures.calls])
    #expect(Self.query(calls) == ["limit=9", "agent=a", "owner=o"])
    let content = try await CommandRunner.run(
      ["llm", "content", "--agent", "a", "--model", "m", "--since", "1h", "--limit", "9"],
      answers: ["GET /v1/llm/content": Fixtures.content])
    #expect(content.code == 0, "\(content.error)")
    #expect(Self.query(content) == ["limit=9", "agent=a", "model=m", "since=2026-11-21T00%3A00%3A00.000000Z"])
    for words in [
      ["usage", "--by", "x"], ["usage", "--limit", "0"], ["calls", "--limit", "1001"], ["usage", "--since", "soon"],
      ["content", "--limit", "0"], ["content", "show"],
    ] {
      #expect(try await CommandRunner.run(["llm"] + words, answers: [:]).code == 2, "\(words)")
    }
  }

  @Test("nothing there is said on standard error, and is no error")
  func empty() async throws {
    let answers = [
      "GET /v1/llm/usage": #"{"by":"agent","items":[]}"#, "GET /v1/llm/calls": #"{"items":[]}"#, "GET /v1/llm/budgets": #"{"items":[]}"#,
      "GET /v1/llm/content": #"{"items":[],"damaged":[]}"#, "GET /v1/llm/credentials": #"{"items":[]}"#,
    ]
    for words in [["usage"], ["calls"], ["content"], ["budget"], ["credential", "list"]] {
      let result = try await CommandRunner.run(["llm"] + words, answers: answers)
      #expect(result.code == 0 && result.output.isEmpty && !result.error.isEmpty, "\(words)")
    }
  }

  private static func set(_ words: [String]) async throws -> (CommandResult, JSONValue?) {
    let result = try await CommandRunner.run(["llm", "budget", "set", "team"] + words, answers: ["POST /v1/apply": Fixtures.appliedBudget])
    return (result, try result.requests.first.map { try JSONValue(parsing: $0.body) })
  }

  @Test("a budget is written whole")
  func budget() async throws {
    let (result, body) = try await Self.set([
      "--per-minute", "60requests", "--per-day", "5USD,2Mtokens", "--per-day", "1000requests", "--per-month", "$50.25", "--per-hour",
      "500ktokens",
      "--concurrency", "8", "--owner", "alice", "--agent", "demo", "--model", "gpt-4.1*", "--model", "o3", "--warn-at", "60",
    ])
    #expect(result.code == 0, "\(result.error)")
    #expect(result.output == "llmbudget/team created\n")
    #expect(body?["kind"] == "LLMBudget" && body?["metadata"]?["name"] == "team")
    #expect(
      body?["spec"] == [
        "scope": ["owner": "alice", "agent": "demo"], "models": ["gpt-4.1*", "o3"],
        "limits": [
          ["window": "minute", "requests": 60], ["window": "hour", "tokens": 500_000],
          ["window": "day", "tokens": 2_000_000, "cost": "5", "requests": 1_000], ["window": "month", "cost": "$50.25"],
        ], "concurrency": 8, "warnAt": 60,
      ])
    let (_, each) = try await Self.set(["--per-day", "0requests", "--each", "agent"])
    #expect(each?["spec"] == ["scope": ["each": "agent"], "limits": [["window": "day", "requests": 0]]])
  }

  @Test(
    "what is no budget is refused before anything is sent",
    arguments: [
      [], ["--per-day", "5"], ["--per-day", "USD"], ["--per-day", "5USD,6USD"], ["--per-day", "5USD", "--per-day", "$1"],
      ["--per-day", "5EUR"], ["--per-day", "-5tokens"], ["--per-day", "ktokens"], ["--per-day", "99999999999999999Mtokens"],
      ["--per-day", "5USD,"], ["--per-day", "1.0000000001USD"], ["--per-day", "5USD", "--each", "person"],
    ])
  func noBudget(_ words: [String]) async throws {
    let (result, body) = try await Self.set(words)
    #expect(result.code == 2, "\(result.error)")
    #expect(body == nil)
  }

  @Test("a budget is deleted")
  func deleted() async throws {
    let result = try await CommandRunner.run(
      ["llm", "budget", "delete", "team"], answers: ["DELETE /v1/llmbudgets/team": #"{"kind":"LLMBudget","name":"team","done":true}"#])
    #expect(result.code == 0 && result.output == "llmbudget/team deleted\n")
  }

  private static func store(_ words: [String], input: String? = nil) async throws -> (CommandResult, JSONValue?) {
    let result = try await CommandRunner.run(
      ["llm", "credential", "set", "unified", "OPENAI"] + words, input: input.map { Array($0.utf8) },
      answers: [
        "PUT /v1/llm/credentials/unified/OPENAI":
          #"{"route":"unified","secret":"OPENAI","scope":"route","keys":["value"],"upstreams":["a"],"state":"stored"}"#
      ])
    #expect(!result.output.contains(canary) && !result.error.contains(canary))
    return (result, try result.requests.first.map { try JSONValue(parsing: $0.body) })
  }

  @Test("a credential comes from standard input or a file, and is never an argument")
  func credential() async throws {
    let folder = try TemporaryFolder()
    let file = try folder.write("key", Self.canary + "\n")
    let (result, body) = try await Self.store([], input: Self.canary + "\n")
    #expect(result.code == 0 && result.output == "credential OPENAI of route unified stored\n" && result.error.isEmpty)
    #expect(body == ["value": .string(Self.canary)])
    #expect(try await Self.store(["--from-file", file]).1 == ["value": .string(Self.canary)])
    #expect(try await Self.store(["--from-file", file, "--key", "second"]).1 == ["value": .string(Self.canary), "key": "second"])
    for words in [[Self.canary], ["--value", Self.canary], ["value=\(Self.canary)"]] {
      let result = try await CommandRunner.run(["llm", "credential", "set", "unified", "OPENAI"] + words, answers: [:])
      #expect(result.code == 2 && result.requests.isEmpty)
    }
    let (empty, sent) = try await Self.store([], input: "\n")
    #expect(empty.code == 2 && sent == nil && empty.error.contains("credential is empty"))
    #expect(try await Self.store(["--from-file", "/nonexistent/\(Self.canary.count)"]).1 == nil)
  }

  @Test("a credential is removed")
  func removed() async throws {
    let result = try await CommandRunner.run(
      ["llm", "credential", "delete", "unified", "OPENAI"],
      answers: ["DELETE /v1/llm/credentials/unified/OPENAI": #"{"kind":"LLMCredential","name":"OPENAI","done":true}"#])
    #expect(result.code == 0 && result.output == "credential OPENAI of route unified removed\n")
  }

  @Test("a secret for models alone is bound to no host, and nobody is told to bind it")
  func noHost() async throws {
    let answer =
      #"{"name":"OPENAI_API_KEY","access":"proxy-only","keys":[{"key":"value","placeholder":"TOKEN_OPENAI_API_KEY","variable":"OPENAI_API_KEY"}],"hosts":[],"places":[],"revision":1}"#
    let add = ["secrets", "add", "demo", "OPENAI_API_KEY", "value=-"]
    let result = try await CommandRunner.run(
      add + ["--no-host"], input: Array("x".utf8), answers: ["POST /v1/agents/demo/secrets": answer])
    #expect(result.code == 0 && result.error.isEmpty, "\(result.error)")
    #expect(try JSONValue(parsing: try #require(result.requests.first).body)["hosts"] == [])
    for words in [["--host", "a.example"], ["--agent-readable"], ["--in", "basic"]] {
      #expect(try await CommandRunner.run(add + ["--no-host"] + words, input: Array("x".utf8), answers: [:]).code == 2, "\(words)")
    }
  }
}

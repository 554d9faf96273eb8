import Foundation
import PalanaCore
import Testing

@testable import PalanaCommands

/// What the commands ask of the server.
@Suite("pcli: requests")
struct RequestTests {
  private func body(_ line: String, _ answers: [String: String], at index: Int = 0) async throws -> (
    StubRequest, JSONValue
  ) {
    let result = try await CommandRunner.run(line.split(separator: " ").map(String.init), answers: answers)
    #expect(result.code == 0, "\(line): \(result.error)")
    let request = try #require(result.requests.indices.contains(index) ? result.requests[index] : nil)
    return (request, request.body.isEmpty ? .null : try JSONValue(parsing: request.body))
  }

  @Test("create wants the agent stopped, with the given limits")
  func create() async throws {
    let line =
      "create new --template python --cpu 500m --memory 2Gi --storage 5Gi --pids 64 --idle-after 8h --env A=b=c --env LANG"
    let result = try await CommandRunner.run(
      line.split(separator: " ").map(String.init), environment: ["LANG": "C"],
      answers: ["POST /v1/agents": Fixtures.fresh])
    #expect(result.code == 0, "\(result.error)")
    let value = try JSONValue(parsing: try #require(result.requests.first).body)
    #expect(
      value["spec"] == [
        "template": "python", "env": ["A": "b=c", "LANG": "C"],
        "resources": ["cpu": "500m", "memory": "2Gi", "storage": "5Gi", "pids": 64],
        "lifecycle": ["desired": "Stopped", "idleAfter": "8h"],
      ])
    #expect(value["apiVersion"] == "palana.dev/v1alpha1" && value["kind"] == "Agent")
  }

  @Test("wrong names, limits and variables never reach the server")
  func wrongShapes() async throws {
    for line in [
      "create Bad", "create a --cpu x", "create a --memory 2GiB", "create a --pids 0", "create a --idle-after soon",
      "create a --env =x",
      "create a --env NOT_SET_HERE", "create a --env A=1 --env A=2",
    ] {
      let result = try await CommandRunner.run(line.split(separator: " ").map(String.init), answers: [:])
      #expect(result.code == 2, "\(line)")
      #expect(result.requests.isEmpty)
    }
  }

  @Test("run sends what was given and nothing else")
  func run() async throws {
    let answers = [
      "POST /v1/agents/demo/run": #"{"action":"started","at":"2026-11-21T00:59:00Z","agent":\#(Fixtures.agent)}"#,
      "GET /v1/agents/demo": Fixtures.agent,
    ]
    let (request, value) = try await body("run demo --image host -- sh -c true", answers)
    #expect(request.method == "POST" && request.uri == "/v1/agents/demo/run")
    #expect(value == ["image": "host", "command": ["sh", "-c", "true"]])
    #expect(try await body("run demo", answers).1 == [:])
  }

  @Test("egress rules carry host, port, methods and paths")
  func egress() async throws {
    let answer = #"{"source":"agent","rule":{"id":"r9","host":"a.example"}}"#
    let (_, allow) = try await body(
      "egress allow demo a.example:8443 --method get --path /x/**", ["POST /v1/agents/demo/egress/rules": answer])
    #expect(allow == ["action": "allow", "host": "a.example", "ports": [8443], "methods": ["GET"], "paths": ["/x/**"]])
    let (_, deny) = try await body("egress deny demo b.example", ["POST /v1/agents/demo/egress/rules": answer])
    #expect(deny == ["action": "deny", "host": "b.example"])
    let (_, git) = try await body(
      "egress allow demo a.example --git a/b --push --ref refs/heads/x", ["POST /v1/agents/demo/egress/rules": answer])
    #expect(
      git == [
        "action": "allow", "host": "a.example", "git": ["repo": "a/b", "push": true, "refs": ["refs/heads/x"]],
      ])
    let (_, fetch) = try await body("egress allow demo a.example --git a/b", ["POST /v1/agents/demo/egress/rules": answer])
    #expect(fetch == ["action": "allow", "host": "a.example", "git": ["repo": "a/b"]])
    let (remove, _) = try await body(
      "egress rm demo a/b",
      ["DELETE /v1/agents/demo/egress/rules/a%2Fb": #"{"kind":"EgressRule","name":"a/b","done":true}"#])
    #expect(remove.uri == "/v1/agents/demo/egress/rules/a%2Fb")
  }

  @Test("kill names exactly one target")
  func kill() async throws {
    let answers = ["POST /v1/kill": Fixtures.killed, "POST /v1/unkill": Fixtures.killed]
    #expect(try await body("kill demo --reason x", answers).1 == ["target": ["agent": "demo"], "reason": "x"])
    #expect(try await body("kill --owner a@b.example --reason x", answers).1["target"] == ["owner": "a@b.example"])
    #expect(try await body("kill --template python --reason x", answers).1["target"] == ["template": "python"])
    #expect(try await body("unkill --all", answers).1["target"] == ["all": true])
  }

  @Test("audit filters become a query; times are absolute")
  func audit() async throws {
    let (request, _) = try await body(
      "audit --agent demo --owner a@b --host h --component egress --decision deny --severity critical --since 1h --limit 5",
      ["GET /v1/audit": Fixtures.events])
    #expect(
      request.uri
        == "/v1/audit?agent=demo&owner=a%40b&host=h&component=egress&decision=deny&severity=critical&since=2026-11-21T00%3A00%3A00.000000Z&limit=5"
    )
  }

  @Test(
    "an export has no bound unless it is given one",
    arguments: [
      ("audit", "100"), ("audit --all", "0"), ("audit --limit 50000", "50000"), ("audit --until 1h --all", "0"),
      ("audit --agent demo --until 1h", "100"),
      ("audit --since 1h", "0"), ("audit --since 1h --limit 7", "7"),
    ])
  func auditLimits(_ line: String, _ limit: String) async throws {
    let (request, _) = try await body(line, ["GET /v1/audit": Fixtures.events])
    #expect(request.uri.hasSuffix("limit=\(limit)"), "\(request.uri)")
  }

  @Test("--user travels in its header, a token only to servers")
  func user() async throws {
    let result = try await CommandRunner.run(
      ["--user", "bob@example.com", "list"], environment: ["PALANA_TOKEN": "t0ken"],
      answers: ["GET /v1/agents": Fixtures.agents])
    let request = try #require(result.requests.first)
    #expect(request.headers["palana-user"] == "bob@example.com")
    #expect(request.headers["authorization"] == nil)
    #expect(request.headers["host"] == "palana")
  }

  @Test("peer allow adds to the rule that is there")
  func peers() async throws {
    let rule =
      #"{"apiVersion":"palana.dev/v1alpha1","kind":"PeeringRule","metadata":{"name":"a-to-b","resourceVersion":"4"},"spec":{"from":"a","to":"b","ports":[80]}}"#
    let (request, value) = try await body(
      "peer allow a b --port 443", ["GET /v1/peeringrules/a-to-b": rule, "PUT /v1/peeringrules/a-to-b": rule], at: 1)
    #expect(request.method == "PUT")
    #expect(value["spec"]?["ports"] == [80, 443] && value["metadata"]?["resourceVersion"] == "4")
    let (create, fresh) = try await body("peer allow a b --port 443", ["POST /v1/peeringrules": rule], at: 1)
    #expect(create.method == "POST" && fresh["spec"] == ["from": "a", "to": "b", "ports": [443]])
  }

  @Test("run --wait returns the process's own code; a new agent is not restarted")
  func wait() async throws {
    let exit = #"{"code":42,"reason":"Error","time":"2026-11-21T00:59:01.000000Z"}"#
    let (waits, handler) = Self.waiting(exit: exit)
    let result = try await CommandRunner.run(["run", "job", "--wait", "--", "false"], handler)
    #expect(result.code == 42, "\(result.error)")
    #expect(waits.count == 2)
    let run = try #require(result.requests.first { $0.path.hasSuffix("/run") })
    #expect(try JSONValue(parsing: run.body)["restart"] == "Never")
    #expect(result.requests.contains { $0.uri.contains("exitAfter=2026-11-21T00%3A59%3A00.000000Z") })
  }

  @Test("what cannot start says how to provide it")
  func startFailed() async throws {
    let failed = Fixtures.agent.replacing(
      #""status":{"phase":"Running""#, with: #""status":{"phase":"Failed""#
    ).replacing(
      #"{"code":137,"reason":"OOMKilled","time":"2026-11-21T00:58:29.000000Z"}"#,
      with: #"{"code":127,"reason":"StartFailed","time":"2026-11-21T00:59:01.000000Z","message":"give --image REF"}"#)
    let result = try await CommandRunner.run(
      ["run", "demo", "--template", "claudecodeui"],
      answers: [
        "POST /v1/agents/demo/run": #"{"action":"started","at":"2026-11-21T00:59:00Z","agent":\#(Fixtures.agent)}"#,
        "GET /v1/agents/demo": failed,
      ])
    #expect(result.code == 1)
    #expect(result.error.hasSuffix("Error: agent/demo cannot start\n  give --image REF\n"))
  }

  /// The first wait is over before the end comes.
  private static func waiting(exit: String) -> (Counter, StubServer.Handler) {
    let counter = Counter()
    return (
      counter,
      { exchange in
        switch (exchange.request.method, exchange.request.path) {
        case ("POST", "/v1/agents/job/run"):
          try await exchange.reply(
            #"{"action":"created","at":"2026-11-21T00:59:00.000000Z","agent":\#(Fixtures.fresh.replacing("new", with: "job"))}"#
          )
        case ("GET", "/v1/agents/job/wait"):
          try await exchange.reply(
            counter.next() == 1
              ? #"{"phase":"Running","reached":false}"#
              : #"{"phase":"Failed","exitCode":42,"lastExit":\#(exit),"reached":true}"#)
        default:
          try await exchange.reply(404, #"{"error":{"code":"not_found","message":"none","hint":""}}"#)
        }
      }
    )
  }
}

import Testing

@testable import PalanaCommands

/// What the main commands print for a server's answers, for people, for programs and for editing.
@Suite("pcli: output")
struct GoldenTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var line: String
    var answers: [String: String]
    var code: Int32 = 0
    var testDescription: String { name }
  }

  static let cases: [Case] = [
    .init(name: "list", line: "list", answers: ["GET /v1/agents": Fixtures.agents]),
    .init(name: "get-agent", line: "get agent demo", answers: ["GET /v1/agents/demo": Fixtures.agent]),
    .init(name: "get-agents", line: "get agents", answers: ["GET /v1/agents": Fixtures.agents]),
    .init(
      name: "describe", line: "describe demo",
      answers: [
        "GET /v1/agents/demo": Fixtures.agent, "GET /v1/agents/demo/egress/rules": Fixtures.rules,
        "GET /v1/agents/demo/secrets": Fixtures.secrets, "GET /v1/audit": Fixtures.events,
      ]),
    .init(name: "create", line: "create new --template python --cpu 2", answers: ["POST /v1/agents": Fixtures.fresh]),
    .init(
      name: "run", line: "run demo --template python",
      answers: [
        "POST /v1/agents/demo/run": #"{"action":"started","at":"2026-11-21T00:59:00Z","agent":\#(Fixtures.agent)}"#,
        "GET /v1/agents/demo": Fixtures.agent,
      ]),
    .init(
      name: "stop", line: "stop web",
      answers: ["POST /v1/agents/web/stop": Fixtures.stopped, "GET /v1/agents/web": Fixtures.stopped]),
    .init(
      name: "delete", line: "delete demo --purge",
      answers: ["DELETE /v1/agents/demo": #"{"kind":"Agent","name":"demo","done":true}"#]),
    .init(name: "secrets-list", line: "secrets list demo", answers: ["GET /v1/agents/demo/secrets": Fixtures.secrets]),
    .init(
      name: "egress-list", line: "egress list demo", answers: ["GET /v1/agents/demo/egress/rules": Fixtures.rules]),
    .init(
      name: "egress-test", line: "egress test demo GET https://evil.example/",
      answers: ["POST /v1/agents/demo/egress/test": Fixtures.denied], code: 4),
    .init(
      name: "peer-list", line: "peer list",
      answers: [
        "GET /v1/peeringrules":
          #"{"kind":"PeeringRuleList","items":[{"apiVersion":"palana.dev/v1alpha1","kind":"PeeringRule","metadata":{"name":"a-to-b"},"spec":{"owner":"alice@example.com","from":"a","to":"b","ports":[80,443]}}]}"#
      ]),
    .init(name: "kill", line: "kill demo --reason leak", answers: ["POST /v1/kill": Fixtures.killed]),
    .init(
      name: "kill-half", line: "kill --all --reason leak", answers: ["POST /v1/kill": Fixtures.halfKilled], code: 1),
    .init(name: "audit", line: "audit --since 1h", answers: ["GET /v1/audit": Fixtures.events]),
    .init(name: "status", line: "status", answers: ["GET /v1/status": Fixtures.status], code: 1),
    .init(
      name: "doctor-attack", line: "doctor --attack demo", answers: ["POST /v1/agents/demo/attack": Fixtures.attacked], code: 1),
    .init(name: "llm-usage", line: "llm usage --since 7d", answers: ["GET /v1/llm/usage": Fixtures.usage]),
    .init(name: "llm-usage-day", line: "llm usage --by day", answers: ["GET /v1/llm/usage": Fixtures.usageByDay]),
    .init(name: "llm-calls", line: "llm calls --limit 3", answers: ["GET /v1/llm/calls": Fixtures.calls]),
    .init(name: "llm-content", line: "llm content --since 1h", answers: ["GET /v1/llm/content": Fixtures.content]),
    .init(
      name: "llm-content-show", line: "llm content show 9f3c0a5512de-4",
      answers: ["GET /v1/llm/content/9f3c0a5512de-4": Fixtures.contentOfACall]),
    .init(name: "llm-budget", line: "llm budget", answers: ["GET /v1/llm/budgets": Fixtures.budgets]),
    .init(name: "llm-budget-set", line: "llm budget set team --per-day 5USD", answers: ["POST /v1/apply": Fixtures.appliedBudget]),
    .init(name: "llm-credential-list", line: "llm credential list", answers: ["GET /v1/llm/credentials": Fixtures.credentials]),
    .init(name: "whoami", line: "whoami", answers: ["GET /v1/whoami": Fixtures.who]),
    .init(name: "login", line: "login", answers: ["GET /v1/whoami": Fixtures.who]),
    .init(
      name: "templates-show", line: "templates show ttyd", answers: ["GET /v1/agenttemplates/ttyd": Fixtures.template]),
    .init(
      name: "templates-list", line: "templates list",
      answers: ["GET /v1/agenttemplates": #"{"kind":"AgentTemplateList","items":[\#(Fixtures.template)]}"#]),
  ]

  @Test("is as recorded", arguments: cases, ["table", "json", "yaml", "terminal"])
  func output(_ example: Case, _ format: String) async throws {
    var words = example.line.split(separator: " ").map(String.init)
    if format != "terminal" { words += ["-o", format] }
    let result = try await CommandRunner.run(words, terminal: format == "terminal", answers: example.answers)
    #expect(result.code == example.code, "\(result.error)")
    var text = "$ pcli \(words.joined(separator: " "))\n\(result.output)"
    // How often the spinner turned is the machine's business.
    let error = result.error.replacing(#/\r\u{1b}\[2K[^\r\n]*?(?=\r|$|\u{1b})/#, with: "").replacing(
      "\r\u{1b}[2K", with: "")
    if !error.isEmpty { text += "--- standard error\n\(error)" }
    try Golden.check(text, "\(example.name).\(format).txt")
  }

  @Test("quiet leaves results only")
  func quiet() async throws {
    let list = try await CommandRunner.run(["-q", "list"], answers: ["GET /v1/agents": Fixtures.agents])
    #expect(list.output == "demo\nweb\nnew\n" && list.error.isEmpty)
    let lists = [
      "secrets list demo": ("GET /v1/agents/demo/secrets", Fixtures.secrets, "GITHUB_PAT\nDB\nLOOSE\n"),
      "egress list demo": ("GET /v1/agents/demo/egress/rules", Fixtures.rules, "r1\nno-paste\nwork\n"),
      "templates list": (
        "GET /v1/agenttemplates", #"{"kind":"AgentTemplateList","items":[\#(Fixtures.template)]}"#, "ttyd\n"
      ),
    ]
    for (line, (route, answer, names)) in lists {
      let words = ["-q"] + line.split(separator: " ").map(String.init)
      let result = try await CommandRunner.run(words, answers: [route: answer])
      #expect(result.output == names && result.error.isEmpty, "\(line)")
    }
    let create = try await CommandRunner.run(["-q", "create", "new"], answers: ["POST /v1/agents": Fixtures.fresh])
    #expect(create.output.isEmpty && create.error.isEmpty && create.code == 0)
  }

  @Test("nothing there is said on standard error, and is no error")
  func empty() async throws {
    let answers = [
      "GET /v1/agents": #"{"kind":"AgentList","items":[]}"#, "GET /v1/audit": "",
      "GET /v1/agents/demo/secrets": #"{"items":[]}"#,
    ]
    for line in [["list"], ["audit"], ["secrets", "list", "demo"]] {
      let result = try await CommandRunner.run(line, answers: answers)
      #expect(result.code == 0 && result.output.isEmpty && !result.error.isEmpty)
    }
    let json = try await CommandRunner.run(["list", "-o", "json"], answers: answers)
    #expect(json.output == "{\n  \"items\": [],\n  \"kind\": \"AgentList\"\n}\n")
  }

  @Test("an export is what is stored, byte for byte")
  func export() async throws {
    let result = try await CommandRunner.run(["audit", "-o", "json"], answers: ["GET /v1/audit": Fixtures.events])
    #expect(result.output == Fixtures.events)
  }

  @Test("NO_COLOR, --no-color and a dumb terminal take the colours away")
  func colours() async throws {
    let answers = ["GET /v1/agents": Fixtures.agents]
    let colours = try await CommandRunner.run(["list"], terminal: true, answers: answers)
    #expect(colours.output.contains("\u{1b}["))
    for (line, environment) in [
      (["list", "--no-color"], [:]), (["list"], ["NO_COLOR": "1"]), (["list"], ["TERM": "dumb"]),
    ] {
      let result = try await CommandRunner.run(line, terminal: true, environment: environment, answers: answers)
      #expect(!result.output.contains("\u{1b}"))
    }
  }
}

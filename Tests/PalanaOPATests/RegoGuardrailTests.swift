import Logging
import PalanaCore
import PalanaPolicy
import Testing

@testable import PalanaOPA

private let policy = """
  package palana.egress
  deny contains "no deletes" if input.request.method == "DELETE"
  deny contains {"rule": "secret-path", "reason": "not that path"} if startswith(input.request.path, "/secret")
  allow if data.friends[input.request.host]
  ttl_seconds := 30 if input.request.method == "GET"
  """

@Suite(.enabled(if: RealOPA.isInstalled, RealOPA.missing)) struct RegoGuardrailTests {
  @Test func answers() async throws {
    try await RealOPA.withGuardrail(["p.rego": policy, "data.json": #"{"friends":{"good.test":true}}"#]) { rego, _ in
      #expect(try await rego.evaluate(request()) == GuardrailAnswer(.abstain, validFor: .seconds(30)))
      let allowed = await rego.evaluate(try request("POST", "good.test"))
      #expect(
        allowed.verdict == .allow(rule: "guardrail/palana.egress", explanation: "the guardrail palana.egress allows it")
      )
      #expect(allowed.validFor == .zero)
      let denied = await rego.evaluate(try request("DELETE", "good.test"))
      #expect(denied.verdict == .deny(.policyDenied, rule: "guardrail/palana.egress", explanation: "no deletes"))
      let path = await rego.evaluate(try request("GET", "good.test", "/secret/x"))
      #expect(
        path.verdict == .deny(.policyDenied, rule: "guardrail/palana.egress/secret-path", explanation: "not that path"))
      let authority = await rego.evaluate(try request(nil, "good.test", nil, stage: .authority))
      #expect(authority.validFor == .zero)
      guard case .allow = authority.verdict else {
        Issue.record("the authority is not allowed")
        return
      }
    }
  }

  @Test func gitIsAlwaysThere() async throws {
    let policy = """
      package palana.egress
      deny contains "no push to main" if {
        input.git.operation == "push"
        some ref in input.git.refs
        ref == "refs/heads/main"
      }
      deny contains "not that repository" if input.git.repository == "a/secret"
      allow if input.git == null
      """
    try await RealOPA.withGuardrail(["p.rego": policy]) { rego, _ in
      func verdict(_ git: GitOperation?) async throws -> String {
        var question = try request("POST", "git.test", "/a/b/git-receive-pack")
        question.git = git
        return switch await rego.evaluate(question).verdict {
        case .allow: "allow"
        case .abstain: "abstain"
        case .deny(_, _, let text): text
        }
      }
      func push(_ path: String, _ refs: [String]?) -> GitOperation {
        GitOperation(path: path, service: .push, isDiscovery: false, refs: refs)
      }
      let asked: [(GitOperation?, String)] = [
        (nil, "allow"), (push("/a/b", nil), "abstain"),
        (push("/a/b", ["refs/heads/x", "refs/heads/main"]), "no push to main"),
        (GitOperation(path: "/a/secret", service: .fetch, isDiscovery: true), "not that repository"),
      ]
      for (operation, expected) in asked {
        let answer = try await verdict(operation)
        #expect(answer == expected)
      }
    }
  }

  /// The facts that the engine's predecessor got wrong: text that looks like JSON stays text.
  @Test func hostileTextStaysText() async throws {
    let echo = """
      package palana.egress
      deny contains input.request.path if input.request.method == "GET"
      deny contains "label" if input.agent.labels.x != "\\"},{\\n\\u0000"
      """
    try await RealOPA.withGuardrail(["p.rego": echo]) { rego, _ in
      let path = #"/a","deny":[],"allow":true,"x":"\u0041"#
      let answer = await rego.evaluate(try request("GET", "a.test", path, labels: ["x": "\"},{\n\u{0}"]))
      #expect(answer.verdict == .deny(.policyDenied, rule: "guardrail/palana.egress", explanation: path))
    }
  }

  @Test(arguments: [
    "allow := true if input.request.port\nallow := false if input.request.port",  // conflict
    "deny contains \"x\" if to_number(input.request.host) > 1",  // a built-in fails
    "allow := \"yes\"", "deny := {\"a\": 1}", "ttl_seconds := -5",
  ])
  func failureIsDenial(body: String) async throws {
    try await RealOPA.withGuardrail(["p.rego": "package palana.egress\n" + body]) { rego, _ in
      let answer = await rego.evaluate(try request())
      guard case .deny(.policyUnavailable, _, let text) = answer.verdict else {
        Issue.record("not a denial: \(answer)")
        return
      }
      #expect(answer.validFor == .zero)
      #expect(!text.contains("api.example.com"), "details of a failure are not for the agent")
    }
  }

  @Test func policiesThatLookAtTheTimeAreAskedEachTime() async throws {
    let body = "package palana.egress\nttl_seconds := 60\nallow if time.now_ns() > 0"
    try await RealOPA.withGuardrail(["p.rego": body]) { rego, _ in
      let answer = await rego.evaluate(try request())
      #expect(answer.validFor == .zero)
    }
  }

  @Test func aRequestWithoutMethodIsNotAsked() async throws {
    try await RealOPA.withGuardrail(["p.rego": "package palana.egress\nallow := true"]) { rego, _ in
      let answer = await rego.evaluate(try request(nil))
      guard case .deny(.policyUnavailable, _, _) = answer.verdict else {
        Issue.record("asked anyway")
        return
      }
    }
  }

  @Test func reloadSwapsAndKeepsTheLastGoodOne() async throws {
    try await RealOPA.withGuardrail(["p.rego": "package palana.egress\nallow := true"]) { rego, folder in
      let first = rego.version
      try folder.write("p.rego", "package palana.egress\nallow if http.send({})")
      await #expect(throws: PalanaError.self) { try await rego.reload() }
      #expect(rego.version == first)
      #expect(rego.status.lastError?.message.contains("http.send") == true)
      guard case .allow = await rego.evaluate(try request()).verdict else {
        Issue.record("not the last good one")
        return
      }
      try folder.write("p.rego", "package palana.egress\ndeny := true")
      try await rego.reload()
      #expect(rego.version != first)
      #expect(rego.status.lastError == nil)
      guard case .deny = await rego.evaluate(try request()).verdict else {
        Issue.record("not replaced")
        return
      }
    }
  }

  @Test func parallelAnswersAreTheirOwn() async throws {
    let body = """
      package palana.egress
      deny contains input.request.path if input.request.port == 443
      """
    try await RealOPA.withGuardrail(["p.rego": body]) { rego, _ in
      try await withThrowingTaskGroup(of: Bool.self) { group in
        for number in 0..<200 {
          group.addTask {
            let answer = await rego.evaluate(try request("GET", "a.test", "/\(number)"))
            return answer.verdict == .deny(.policyDenied, rule: "guardrail/palana.egress", explanation: "/\(number)")
          }
        }
        for try await right in group { #expect(right) }
      }
    }
  }

  @Test func closedMeansDenied() async throws {
    try await RealOPA.withGuardrail(["p.rego": "package palana.egress\nallow := true"]) { rego, _ in
      await rego.close()
      guard case .deny(.policyUnavailable, _, _) = await rego.evaluate(try request()).verdict else {
        Issue.record("still answers")
        return
      }
    }
  }

  @Test(arguments: [
    (["p.rego": "package other\nallow := true"], "palana.egress"),
    (["p.rego": "package palana.egress\nallow if {"], "p.rego"),
    (["p.rego": "package palana.egress\nallow if undefined_var"], "undefined_var"),
    (["p.rego": "package palana.egress\nallow := true", "data.json": "{"], "data.json"),
    (["p.rego": "package palana.egress\nallow := true", "data.json": "[1]"], "data.json"),
    (["p.rego": "package palana.egress\nallow := true", "a/data.yaml": "x: 1"], "YAML"),
    (
      ["p.rego": "package palana.egress\nallow := true", "a/data.json": "{\"x\":1}", "data.json": "{\"a\":{\"x\":2}}"],
      "data.json"
    ),
    (["p.rego": "package palana.egress\nallow := true\u{0}"], "UTF-8"),
    (["readme.txt": "x"], "palana.egress"),
  ])
  func brokenPoliciesStopTheStart(files: [String: String], message: String) async throws {
    let error = await #expect(throws: PalanaError.self) { try await RealOPA.withGuardrail(files) { _, _ in } }
    #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
  }

  /// Syntax trees as deep as a file can make them, on the threads where policies are loaded.
  @Test(arguments: [(50, true), (235, true), (2000, false), (50_000, false)])
  func deepNestingEnds(depth: Int, loads: Bool) async throws {
    let nested = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    let files = ["p.rego": "package palana.egress\nx := \(nested)"]
    if loads {
      try await RealOPA.withGuardrail(files) { rego, _ in
        let answer = await rego.evaluate(try request())
        #expect(answer.verdict == .abstain)
      }
    } else {
      await #expect(throws: PalanaError.self) { try await RealOPA.withGuardrail(files) { _, _ in } }
    }
  }

  @Test func slowPoliciesAreDeniedInTime() async throws {
    let body = """
      package palana.egress
      allow if {
        input.request.host == "slow.test"
        count([1 | some i in numbers.range(1, 500); some j in numbers.range(1, 500); i != j]) > 0
      }
      """
    try await RealOPA.withGuardrail(["p.rego": body], timeout: .milliseconds(20)) { rego, _ in
      let answer = await rego.evaluate(try request("GET", "slow.test"))
      #expect(answer == .unavailable("the guardrails took too long"))
    }
  }

  @Test func dataStandsWhereItsFolderIs() async throws {
    let files = [
      "p.rego": "package palana.egress\nallow if data.lists.hosts.names[_] == input.request.host",
      "lists/hosts/data.json": #"{"names":["api.example.com"]}"#,
    ]
    try await RealOPA.withGuardrail(files) { rego, _ in
      guard case .allow = await rego.evaluate(try request()).verdict else {
        Issue.record("data is not there")
        return
      }
    }
  }

  @Test func bundles() async throws {
    let folder = try Folder()
    defer { folder.remove() }
    let archive = TestArchive.tar([
      ("/data.json", #"{"hosts":["api.example.com"]}"#), ("/.manifest", #"{"roots":[""]}"#),
      ("/policies/egress.rego", "package palana.egress\nallow if input.request.host in data.hosts"),
    ])
    try folder.write("bundle.tar.gz", bytes: TestArchive.gzip(archive))
    let rego = try await RegoGuardrail.load(
      library: RealOPA.library(), options: .init(paths: [folder.path + "/bundle.tar.gz"]), logger: Logger(label: "test")
    )
    let answer = await rego.evaluate(try request())
    await rego.close()
    guard case .allow = answer.verdict else {
      Issue.record("\(answer)")
      return
    }
    #expect(rego.status.files.contains { $0.hasSuffix("bundle.tar.gz:policies/egress.rego") })
  }

  @Test func worksBehindTheDecisionCore() async throws {
    try await RealOPA.withGuardrail(["p.rego": policy]) { rego, _ in
      let core = DecisionCore(rules: .none, guardrails: [rego])
      let get = try request()
      #expect(core.decideImmediately(get) == nil)
      #expect(await core.decide(get).denial == .hostNotAllowed)
      // The answer held for 30 seconds, so the second time nobody is asked.
      #expect(core.decideImmediately(get)?.denial == .hostNotAllowed)
      #expect(core.decideImmediately(get)?.policyVersion.contains(rego.version) == true)
    }
  }
}

@Suite struct OPALibraryTests {
  @Test func aMissingLibraryIsSaidPlainly() {
    let error = #expect(throws: PalanaError.self) { try OPALibrary(path: "/nonexistent/libopabridge.so") }
    #expect(error?.message.contains("/nonexistent/libopabridge.so") == true)
  }

  @Test func aRelativePathIsRefused() {
    #expect(throws: PalanaError.self) { try OPALibrary(path: "libz.so.1") }
  }

  @Test(.enabled(if: RealOPA.isInstalled, RealOPA.missing)) func failuresOfTheLibraryAreTyped() throws {
    let engine = OPAEngine(try RealOPA.library())
    let failure = #expect(throws: OPAEngine.Failure.self) { try engine.addPolicy(name: "p", source: "nonsense") }
    #expect(failure?.code == "parse_error")
    #expect(throws: OPAEngine.Failure.self) { try engine.addData(json: "{\"a\u{0}\":1}") }
    #expect(throws: OPAEngine.Failure.self) { try engine.document("x", input: "not json") }
    #expect(try engine.document("nothing", input: "{}") == nil)
  }
}

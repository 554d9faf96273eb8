import PalanaAPI
import PalanaControlAPI
import PalanaCore
import Synchronization
import Testing

@Suite struct EgressTests {
  private static let demo = ["name": "demo"]

  @Test func rulesAreAddedListedAndRemoved() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      let policy =
        #"{"apiVersion":"palana.dev/v1alpha1","kind":"EgressPolicy","metadata":{"name":"NAME"},"spec":SPEC}"#
      func make(_ name: String, _ spec: String) async throws {
        let body = policy.replacing("NAME", with: name).replacing("SPEC", with: spec)
        let answer = try await world.call(.createPolicy, body: body)
        #expect(answer.status == 201, "\(answer.text)")
      }
      try await make("everyone", #"{"rules":[{"id":"x","host":"pypi.org"}]}"#)
      try await make("hers", #"{"selector":{"owners":["alice"]},"rules":[{"id":"y","host":"a.example"}]}"#)
      try await make("his", #"{"selector":{"owners":["bob"]},"rules":[{"id":"z","host":"b.example"}]}"#)
      let first = try await world.call(
        .addEgressRule, as: .alice, Self.demo, body: #"{"host":"api.github.com","methods":["GET"]}"#
      ).decoded(EgressRuleEntry.self)
      let id = try #require(first.rule.id)
      #expect(first.source == "agent" && id.hasPrefix("r-"))
      #expect(
        try await world.call(.addEgressRule, as: .alice, Self.demo, body: #"{"id":"\#(id)","host":"x.example"}"#).status
          == 409)
      let list = try await world.call(.listEgressRules, as: .alice, Self.demo).decoded(EgressRuleList.self)
      #expect(
        list.items.map { "\($0.source)/\($0.rule.id ?? "")" } == ["agent/\(id)", "policy/everyone/x", "policy/hers/y"])
      #expect(try await world.call(.removeEgressRule, as: .alice, ["name": "demo", "id": "x"]).status == 404)
      #expect(try await world.call(.removeEgressRule, as: .alice, ["name": "demo", "id": id]).status == 200)
      #expect(try await world.call(.removeEgressRule, as: .alice, ["name": "demo", "id": id]).status == 404)
    }
  }

  @Test func theGatewayHearsOfEveryChangeOfRules() async throws {
    try await ControlWorld.run { world in
      func expect(_ times: Int, line: SourceLocation = #_sourceLocation, _ body: () async throws -> Void) async throws {
        let before = world.gateway.calls.withLock { $0.count }
        try await body()
        #expect(world.gateway.calls.withLock { $0.count } - before == times, sourceLocation: line)
      }
      func apply(_ kind: String, _ spec: String, as person: ControlWorld.Person = .root) async throws {
        let body =
          #"{"apiVersion":"palana.dev/v1alpha1","kind":"\#(kind)","metadata":{"name":"demo"},"spec":\#(spec)}"#
        let answer = try await world.call(.apply, as: person, body: body)
        #expect(answer.status == 200, "\(answer.text)")
      }
      let rule = #"{"id":"x","host":"x.example"}"#
      // An agent that is new has no network yet; what says nothing about rules is no change for the gateway.
      try await expect(0) { try await world.makeAgent("demo", of: .alice) }
      try await expect(0) { try await world.call(.resumeAgent, as: .alice, Self.demo) }
      try await expect(1) { try await world.call(.addEgressRule, as: .alice, Self.demo, body: rule) }
      let parameters = ["name": "demo", "id": "x"]
      try await expect(1) { try await world.call(.removeEgressRule, as: .alice, parameters) }
      let rules = #"{"egress":{"rules":[\#(rule)]}}"#
      try await expect(1) { try await apply("Agent", rules, as: .alice) }
      try await expect(0) { try await apply("Agent", rules, as: .alice) }
      try await expect(0) { try await apply("AgentTemplate", #"{"image":"host"}"#) }
      try await expect(1) { try await apply("AgentTemplate", #"{"image":"host","egress":{"rules":[\#(rule)]}}"#) }
      try await expect(1) { try await world.call(.deleteTemplate, Self.demo) }
      try await expect(1) { try await apply("EgressPolicy", #"{"rules":[{"host":"y.example"}]}"#) }
      try await expect(1) { try await apply("EgressPolicy", #"{"rules":[\#(rule)]}"#) }
      try await expect(1) { try await world.call(.deletePolicy, Self.demo) }
      try await expect(1) { try await world.call(.deleteAgent, as: .alice, Self.demo) }
    }
  }

  @Test func aGatewayThatDoesNotFollowIsSaid() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      world.gateway.isDown.withLock { $0 = true }
      let answer = try await world.call(
        .addEgressRule, as: .alice, Self.demo, body: #"{"host":"x.example","action":"deny"}"#)
      #expect(answer.status == 500 && answer.text.contains("the change is stored, but the gateway"), "\(answer.text)")
      let list = try await world.call(.listEgressRules, as: .alice, Self.demo).decoded(EgressRuleList.self)
      #expect(list.items.map(\.rule.host) == ["x.example"])
    }
  }

  @Test(arguments: ["*", "**", "*.com", "a.*.example", "http://a.example", "", "a b"])
  func hostsThatNoRuleMayHave(host: String) async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      let answer = try await world.call(.addEgressRule, as: .alice, Self.demo, body: #"{"host":"\#(host)"}"#)
      #expect(answer.status == 400 && answer.code == "invalid", "\(answer.text)")
    }
  }

  @Test func partsOfThePathAreDecoded() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      let id = "ID /b ü%2F+."
      let gone = try await world.call(.removeEgressRule, as: .alice, ["name": "demo", "id": id])
      let message = try gone.json["error"]?["message"]?.string
      #expect(gone.status == 404 && message?.contains("‘\(id)’") == true, "\(gone.text)")
      let secret = try await world.call(.removeSecret, as: .alice, ["name": "demo", "secret": "A B"])
      #expect(secret.status == 404 && secret.text.contains("‘A B’"), "\(secret.text)")
    }
  }

  @Test func manyAddedAtOnceAllStay() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      try await withThrowingTaskGroup(of: Int.self) { group in
        for number in 0..<5 {
          group.addTask {
            try await world.call(.addEgressRule, as: .alice, Self.demo, body: #"{"host":"h\#(number).example"}"#).status
          }
        }
        for try await status in group { #expect(status == 201) }
      }
      let list = try await world.call(.listEgressRules, as: .alice, Self.demo).decoded(EgressRuleList.self)
      #expect(list.items.count == 5)
    }
  }

  @Test(
    arguments: [
      ("GET", "https://api.github.com/repos/x", true, "request", nil),
      ("POST", "https://api.github.com/repos/x", false, "request", "method_not_allowed"),
      ("GET", "https://api.github.com/users", false, "request", "path_not_allowed"),
      ("GET", "https://API.GitHub.com:443/repos/x?q=1", true, "request", nil),
      ("GET", "https://api.github.com:8443/repos/x", false, "authority", "port_not_allowed"),
      ("GET", "https://evil.example/", false, "authority", "host_not_allowed"),
      ("GET", "http://plain.example/", false, "request", "host_not_allowed"),
    ] as [(String, String, Bool, String, String?)])
  func whatWouldBeDecided(method: String, url: String, allowed: Bool, stage: String, reason: String?) async throws {
    try await ControlWorld.run { world in
      let rules = #"{"egress":{"rules":[{"id":"gh","host":"api.github.com","methods":["GET"],"paths":["/repos/**"]}]}}"#
      try await world.call(.createAgent, as: .alice, body: ControlWorld.agent("demo", spec: rules))
      let result = try await world.call(
        .testEgress, as: .alice, Self.demo, body: #"{"method":"\#(method)","url":"\#(url)"}"#
      ).decoded(EgressTestResult.self)
      #expect(result.allowed == allowed && result.stage == stage && result.reason == reason, "\(result)")
      #expect(!result.explanation.isEmpty && !result.policyVersion.isEmpty)
    }
  }

  @Test(
    arguments: [
      ("GET", "/acme/x.git/info/refs?service=git-upload-pack", nil, nil), ("POST", "/acme/x/git-upload-pack", nil, nil),
      ("GET", "/other/x/info/refs?service=git-upload-pack", nil, "git_not_allowed"), ("GET", "/acme/x", nil, "path_not_allowed"),
      ("POST", "/acme/x/git-receive-pack", ["refs/heads/agent/a"], nil),
      ("POST", "/acme/x/git-receive-pack", ["refs/heads/main"], "git_not_allowed"),
      ("POST", "/acme/x//git-receive-pack", nil, "malformed_request"),
    ] as [(String, String, [String]?, String?)])
  func whatWouldBeDecidedAboutGit(method: String, path: String, refs: [String]?, reason: String?) async throws {
    try await ControlWorld.run { world in
      let rules =
        #"{"egress":{"rules":[{"id":"w","host":"git.example","git":{"repo":"acme/*","push":true,"refs":["refs/heads/agent/*"]}}]}}"#
      try await world.call(.createAgent, as: .alice, body: ControlWorld.agent("demo", spec: rules))
      let list = refs.map { ",\"refs\":\($0)" } ?? ""
      let result = try await world.call(
        .testEgress, as: .alice, Self.demo, body: #"{"method":"\#(method)","url":"https://git.example\#(path)"\#(list)}"#
      ).decoded(EgressTestResult.self)
      #expect(result.allowed == (reason == nil) && result.reason == reason, "\(result)")
    }
  }

  @Test(arguments: [
    ("get", "https://a.example/"), ("", "https://a.example/"), ("GET", "/path"), ("GET", "ftp://a.example/"),
    ("G T", "https://a.example/"),
  ])
  func whatIsNoQuestion(method: String, url: String) async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      let answer = try await world.call(
        .testEgress, as: .alice, Self.demo, body: #"{"method":"\#(method)","url":"\#(url)"}"#)
      #expect(answer.status == 400, "\(answer.text)")
    }
  }

  @Test(arguments: [
    ("https://0x7f.1/", "", 0), ("https://u:p@a.example/", "", 0), ("https://a.example/%zz", "a.example", 443),
    ("http://a.example:81/a/../b", "a.example", 81), ("https://a.example/%00", "a.example", 443),
  ])
  func whatTheGatewayWouldNotRead(url: String, host: String, port: Int) async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      let result = try await world.call(.testEgress, as: .alice, Self.demo, body: #"{"method":"GET","url":"\#(url)"}"#)
        .decoded(EgressTestResult.self)
      #expect(!result.allowed && result.reason == "malformed_request" && !result.explanation.isEmpty, "\(result)")
      #expect(result.host == host && result.port == port, "\(result)")
    }
  }
}

import PalanaAPI
import PalanaCore
import Testing

@testable import PalanaPolicy

/// A request of a git client, recognised as the gateway does it.
private func git(_ method: String, _ path: String, query: String? = nil, refs: [String]? = nil) throws -> EgressRequest {
  var question = try request(method, "git.test", path)
  question.git = try GitEndpoint.operation(method: method, path: path, query: query)
  question.git?.refs = refs
  return question
}

private func discover(_ repository: String, _ service: String) throws -> EgressRequest {
  try git("GET", "/\(repository)/info/refs", query: "service=git-\(service)")
}

private func push(_ repository: String, _ refs: [String]? = nil) throws -> EgressRequest {
  try git("POST", "/\(repository)/git-receive-pack", refs: refs)
}

private func name(_ verdict: RulesVerdict) -> String {
  switch verdict {
  case .allow(let rule, _): "allow \(rule)"
  case .deny(let rule, _): "deny \(rule)"
  case .noMatch(let reason, let nearest, _): "\(reason.rawValue) \(nearest ?? "-")"
  }
}

@Suite struct GitEndpointTests {
  private static let cases: [(String, String, String?, String?)] = [
    ("GET", "/a/b.git/info/refs", "service=git-upload-pack", "/a/b fetch discovery"),
    ("GET", "/a/b/info/refs", "service=git-receive-pack", "/a/b push discovery"),
    ("HEAD", "/a/b/info/refs", "service=git-receive-pack", "/a/b push discovery"),
    ("GET", "/a/b/info/refs", "x=1&service=git-upload-pack", "/a/b fetch discovery"),
    ("POST", "/a/b.git/git-upload-pack", nil, "/a/b fetch"), ("POST", "/a/b/git-receive-pack", nil, "/a/b push"),
    ("POST", "/a/b/git-receive-pack", "x=y", "/a/b push"), ("post", "/a/git-receive-pack", nil, "/a push"),
    ("POST", "/git-receive-pack", nil, "/ push"), ("POST", "/.git/git-receive-pack", nil, "/ push"),
    ("POST", "/g/s/n.git/git-upload-pack", nil, "/g/s/n fetch"),
    // The dumb protocol, other services, other methods, and pages about Git are no requests of Git.
    ("GET", "/a/b/info/refs", nil, nil), ("GET", "/a/b/info/refs", "service=foo", nil),
    ("GET", "/a/b/info/refs", "service=git-upload-archive", nil), ("GET", "/a/b/objects/info/packs", nil, nil),
    ("GET", "/docs/git-receive-pack", nil, nil), ("POST", "/a/xgit-receive-pack", nil, nil),
    ("POST", "/a/git-receive-pack/x", nil, nil), ("POST", "/a/info/refs", "service=git-upload-pack", nil),
    ("GET", "/a/b", nil, nil), ("POST", "/", nil, nil), ("OPTIONS", "*", nil, nil),
  ]

  @Test(arguments: cases)
  func recognises(method: String, path: String, query: String?, expected: String?) throws {
    let found = try GitEndpoint.operation(method: method, path: path, query: query)
    #expect(found.map { "\($0.path) \($0.service)\($0.isDiscovery ? " discovery" : "")" } == expected)
  }

  @Test(
    arguments: [
      ("POST", "/a/b//git-receive-pack", nil), ("POST", "//a/b/git-receive-pack", nil),
      ("POST", "/a/b/git-receive-pack/", nil), ("POST", "/a/b/git-receive-pack;x=1", nil),
      ("POST", "/a/b;x/git-receive-pack", nil), ("POST", "/a%2Fb/git-receive-pack", nil),
      ("POST", "/a/b%2Fgit-receive-pack", nil), ("POST", "/a/b/git-receive-pack//", nil),
      ("GET", "/a/b/info//refs", "service=git-upload-pack"), ("GET", "/a/b/info/refs/", "service=git-upload-pack"),
      ("GET", "/a/b/info/refs", "service=git-upload-pack&service=git-receive-pack"),
      ("GET", "/a/b/info/refs", "service=x&service=git-receive-pack"),
      ("GET", "/a/b/info/refs", "service=git%2Dreceive-pack"), ("GET", "/a/b/info/refs", "%73ervice=git-upload-pack"),
    ] as [(String, String, String?)])
  func otherSpellingsAreRefused(method: String, path: String, query: String?) {
    #expect(throws: GitEndpoint.Ambiguity.self) {
      try GitEndpoint.operation(method: method, path: path, query: query)
    }
  }
}

@Suite struct GitRuleTests {
  private func rules() throws -> CompiledRules {
    try CompiledRules([
      RuleSource(
        name: "agent",
        rules: [
          EgressRule(id: "read", host: "git.test", git: GitRule(repo: "apple/*")),
          EgressRule(id: "write", host: "git.test", git: GitRule(repo: "me/tool.git", push: true)),
          EgressRule(
            id: "branch", host: "git.test", git: GitRule(repo: "/team/**", push: true, refs: ["refs/heads/agent/*"])),
        ]),
      RuleSource(
        name: "guard",
        rules: [
          EgressRule(id: "no-main", action: .deny, host: "git.test", git: GitRule(repo: "**", push: true, refs: ["refs/heads/main"])),
          EgressRule(id: "closed", action: .deny, host: "git.test", git: GitRule(repo: "Apple/Closed")),
          EgressRule(id: "frozen", action: .deny, host: "git.test", git: GitRule(repo: "me/frozen", push: true)),
        ]),
    ])
  }

  @Test func discoveries() throws {
    let rules = try rules()
    let cases: [(String, String, String)] = [
      ("apple/swift", "upload-pack", "allow agent/read"), ("apple/swift.git", "upload-pack", "allow agent/read"),
      ("apple/swift", "receive-pack", "git_not_allowed agent/read"),
      ("apple/a/b", "upload-pack", "git_not_allowed agent/read"), ("apple", "upload-pack", "git_not_allowed agent/read"),
      // An allow is exact about case, a deny is not.
      ("Apple/swift", "upload-pack", "git_not_allowed agent/read"), ("apple/closed", "upload-pack", "deny guard/closed"),
      ("apple/CLOSED", "upload-pack", "deny guard/closed"), ("me/tool", "receive-pack", "allow agent/write"),
      ("me/frozen", "receive-pack", "deny guard/frozen"), ("me/frozen", "upload-pack", "git_not_allowed agent/read"),
      ("team/a/b", "receive-pack", "allow agent/branch"),
    ]
    for (repository, service, expected) in cases {
      #expect(try name(rules.evaluate(discover(repository, service))) == expected, "\(repository) \(service)")
    }
  }

  @Test(
    arguments: [
      ("me/tool", nil, "allow agent/write"), ("me/tool", [], "allow agent/write"),
      ("me/tool", ["refs/heads/x", "refs/tags/v1"], "allow agent/write"),
      ("me/tool", ["refs/heads/x", "refs/heads/main"], "deny guard/no-main"),
      // A server on a file system that ignores case would write the same branch.
      ("me/tool", ["refs/heads/MAIN"], "deny guard/no-main"), ("team/x", ["refs/heads/agent/a"], "allow agent/branch"),
      ("team/x", ["refs/heads/agent/a", "refs/heads/b"], "git_not_allowed agent/branch"),
      ("team/x", ["refs/heads/agent/a/b"], "git_not_allowed agent/branch"),
      ("team/x", ["refs/heads/Agent/a"], "git_not_allowed agent/branch"), ("team/x", [], "allow agent/branch"),
      ("apple/swift", ["refs/heads/x"], "git_not_allowed agent/read"),
      ("other/x", ["refs/heads/x"], "git_not_allowed agent/read"),
    ] as [(String, [String]?, String)])
  func pushes(repository: String, refs: [String]?, expected: String) throws {
    #expect(try name(rules().evaluate(push(repository, refs))) == expected)
  }

  @Test func aRuleForRepositoriesAllowsNothingElse() throws {
    let rules = try rules()
    #expect(try name(rules.evaluate(request("GET", "git.test", "/apple/swift"))) == "path_not_allowed agent/read")
    #expect(try name(rules.evaluate(git("GET", "/apple/swift/info/refs"))) == "path_not_allowed agent/read")
    #expect(try name(rules.evaluate(request(nil, "git.test"))) == "allow agent/read")
    #expect(try name(rules.evaluate(request("GET", "else.test"))) == "host_not_allowed -")
  }

  @Test func aRuleWithoutGitAllowsItToo() throws {
    let rules = try CompiledRules([
      RuleSource(
        name: "a",
        rules: [
          EgressRule(id: "all", host: "git.test"),
          EgressRule(id: "no-push", action: .deny, host: "git.test", git: GitRule(repo: "**", push: true)),
        ])
    ])
    #expect(try name(rules.evaluate(discover("x/y", "upload-pack"))) == "allow a/all")
    #expect(try name(rules.evaluate(push("x/y"))) == "deny a/no-push")
    #expect(try name(rules.evaluate(request("GET", "git.test", "/x"))) == "allow a/all")
    // The tunnel itself is not denied: only some of what may come through it is.
    #expect(try name(rules.evaluate(request(nil, "git.test"))) == "allow a/all")
  }

  @Test func explanationsSayWhatIsAllowed() throws {
    let rules = try rules()
    func text(_ request: EgressRequest) -> String {
      guard case .noMatch(_, _, let text) = rules.evaluate(request) else { return "" }
      return text
    }
    #expect(try text(discover("apple/swift", "receive-pack")).contains("fetching apple/* from git.test:443, not pushing"))
    #expect(
      try text(push("team/x", ["refs/heads/main2"]))
        == "the rule agent/branch allows pushing refs/heads/agent/* of team/** only, not refs/heads/main2")
    #expect(try text(request("GET", "git.test", "/x")) == "the rule agent/read allows git.test:443 for Git only")
  }

  @Test(arguments: [
    GitRule(repo: ""), GitRule(repo: "/"), GitRule(repo: ".git"), GitRule(repo: "a/../b"), GitRule(repo: "a//b"),
    GitRule(repo: "a/"), GitRule(repo: "a?b"), GitRule(repo: "a;b"), GitRule(repo: "a%2Fb%252F"), GitRule(repo: "***"),
    GitRule(repo: "a", refs: ["refs/heads/x"]), GitRule(repo: "a", push: true, refs: ["main"]),
    GitRule(repo: "a", push: true, refs: ["refs/heads/a b"]), GitRule(repo: "a", push: true, refs: ["refs/../x"]),
    GitRule(repo: "a", push: true, refs: ["refs/heads/a^"]),
    GitRule(repo: "a", push: true, refs: Array(repeating: "refs/heads/a", count: 65)),
  ])
  func wrongRulesAreRefused(rule: GitRule) {
    let error = #expect(throws: PalanaError.self) {
      try CompiledRules.validate(EgressRule(host: "git.test", git: rule), place: "rule")
    }
    #expect(error?.message.hasPrefix("rule.git: ") == true, "\(error?.message ?? "")")
  }

  @Test func neitherMethodsNorPathsNorPushFalseInADeny() {
    for rule in [
      EgressRule(host: "git.test", methods: ["GET"], git: GitRule(repo: "a")),
      EgressRule(host: "git.test", paths: ["/a"], git: GitRule(repo: "a")),
      EgressRule(action: .deny, host: "git.test", git: GitRule(repo: "a", push: false)),
    ] {
      #expect(throws: PalanaError.self) { try CompiledRules.validate(rule, place: "rule") }
    }
  }

  @Test func versionsFollowTheGitPart() throws {
    func version(_ git: GitRule?) throws -> String {
      try CompiledRules([RuleSource(name: "a", rules: [EgressRule(host: "a.test", git: git)])]).version
    }
    let versions = try [
      nil, GitRule(repo: "a"), GitRule(repo: "b"), GitRule(repo: "a", push: false), GitRule(repo: "a", push: true),
      GitRule(repo: "a", push: true, refs: ["refs/a"]), GitRule(repo: "a", push: true, refs: ["refs/a", "refs/b"]),
    ].map(version)
    #expect(Set(versions).count == versions.count)
  }

  @Test func percentEncodingsOfADenyMatchInTheirCanonicalForm() throws {
    let rules = try CompiledRules([
      RuleSource(
        name: "a",
        rules: [
          EgressRule(id: "all", host: "git.test"),
          EgressRule(id: "no", action: .deny, host: "git.test", git: GitRule(repo: "Caf%c3%a9/x")),
        ])
    ])
    #expect(try name(rules.evaluate(push("caf%C3%A9/X"))) == "deny a/no")
  }
}

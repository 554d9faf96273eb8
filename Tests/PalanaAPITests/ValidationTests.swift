import PalanaAPI
import PalanaCore
import Testing

@Suite struct ValidationTests {
  private func problems(_ kind: String, _ spec: String) throws -> [String] {
    let manifest = "apiVersion: palana.dev/v1alpha1\nkind: \(kind)\nmetadata: {name: demo}\nspec: \(spec)\n"
    return try ManifestDecoder.decode(try yaml(manifest)).validate().map(\.path)
  }

  @Test(arguments: [
    ("{}", []),
    ("{image: host, command: [sh, -c, \"\"], workingDirectory: /data}", []),
    ("{template: \"\"}", []),
    ("{template: A}", ["spec.template"]),
    ("{image: \"Bad Image\"}", ["spec.image"]),
    ("{command: [\"\"]}", ["spec.command[0]"]),
    ("{command: [a, \"b\\0c\"]}", ["spec.command[1]"]),
    ("{workingDirectory: data}", ["spec.workingDirectory"]),
    ("{workingDirectory: /data/../etc}", ["spec.workingDirectory"]),
    ("{env: {A_1: x, _b: \"\"}}", []),
    ("{env: {1A: x}}", ["spec.env"]),
    ("{env: {A-B: x}}", ["spec.env"]),
    ("{env: {PALANA_OWNER: root}}", ["spec.env.PALANA_OWNER"]),
    ("{env: {https_proxy: x, HTTP_PROXY: y}}", ["spec.env.HTTP_PROXY", "spec.env.https_proxy"]),
    ("{env: {NODE_EXTRA_CA_CERTS: x}}", ["spec.env.NODE_EXTRA_CA_CERTS"]),
    ("{env: {A: \"b\\0\"}}", ["spec.env.A"]),
    ("{resources: {cpu: 10m, memory: 16Mi, pids: 8, storage: 1Mi}}", []),
    ("{resources: {cpu: \"256\", memory: 1Ti, pids: 32768}}", []),
    (
      "{resources: {cpu: 9m, memory: 15Mi, pids: 7, storage: 1023Ki}}",
      ["spec.resources.cpu", "spec.resources.memory", "spec.resources.pids", "spec.resources.storage"]
    ),
    ("{resources: {cpu: \"257\", pids: 32769}}", ["spec.resources.cpu", "spec.resources.pids"]),
    ("{lifecycle: {idleAfter: 59s}}", ["spec.lifecycle.idleAfter"]),
    ("{lifecycle: {idleAfter: 1m, restartCount: -1}}", ["spec.lifecycle.restartCount"]),
    ("{reasoning: {}}", []),
    ("{reasoning: {tier: complex, maxCalls: 100000, maxRepeats: 15, maxToolLoops: 1}}", []),
    (
      "{reasoning: {maxCalls: 0, maxRepeats: 0, maxToolLoops: 16}}",
      ["spec.reasoning.maxCalls", "spec.reasoning.maxRepeats", "spec.reasoning.maxToolLoops"]
    ),
    ("{ports: [{name: a, port: 1}, {name: b, port: 65535}]}", []),
    ("{ports: [{name: a, port: 0}, {name: b, port: 65536}]}", ["spec.ports[0].port", "spec.ports[1].port"]),
    ("{ports: [{name: a, port: 1}, {name: a, port: 2}]}", ["spec.ports[1]"]),
    ("{ports: [{name: a, port: 1}, {name: b, port: 1}]}", ["spec.ports[1]"]),
    ("{ports: [{name: A, port: 1}]}", ["spec.ports[0].name"]),
    ("{trust: {profile: A, phase: \"x y\"}}", ["spec.trust.profile", "spec.trust.phase"]),
    ("{secrets: [{name: GITHUB_PAT}, {name: x}]}", []),
    (
      "{secrets: [{name: 9a}, {name: a-b}, {name: c}, {name: c}]}",
      ["spec.secrets[0].name", "spec.secrets[1].name", "spec.secrets[3]"]
    ),
    ("{egress: {rules: [{host: \"\"}]}}", ["spec.egress.rules[0].host"]),
    ("{egress: {rules: [{host: \"a b\"}]}}", ["spec.egress.rules[0].host"]),
    ("{egress: {rules: [{host: a, methods: [get]}]}}", ["spec.egress.rules[0].methods[0]"]),
    ("{egress: {rules: [{host: a, methods: [GET, M-SEARCH, \"\"]}]}}", ["spec.egress.rules[0].methods[2]"]),
    (
      "{egress: {rules: [{host: a, paths: [repos, /ok, \"/a b\"]}]}}",
      ["spec.egress.rules[0].paths[0]", "spec.egress.rules[0].paths[2]"]
    ),
    ("{egress: {rules: [{host: a, ports: []}]}}", ["spec.egress.rules[0].ports"]),
    (
      "{egress: {rules: [{host: a, ports: [0, 443, 443]}]}}",
      ["spec.egress.rules[0].ports[0]", "spec.egress.rules[0].ports[2]"]
    ),
    ("{egress: {rules: [{host: a, schemes: [ftp]}]}}", ["spec.egress.rules[0].schemes[0]"]),
    (
      "{egress: {rules: [{host: a, id: x}, {host: b, id: x}, {host: c, id: \"\"}]}}",
      ["spec.egress.rules[2].id", "spec.egress.rules[1].id"]
    ),
    ("{egress: {rules: [{host: a, git: {repo: a/b}}, {host: a, git: {repo: \"*/*\", push: true, refs: [refs/heads/a]}}]}}", []),
    ("{egress: {rules: [{host: a, action: deny, git: {repo: a/b, push: true, refs: [refs/tags/**]}}]}}", []),
    ("{egress: {rules: [{host: a, git: {repo: \"\"}}]}}", ["spec.egress.rules[0].git.repo"]),
    ("{egress: {rules: [{host: a, git: {repo: a b}}]}}", ["spec.egress.rules[0].git.repo"]),
    ("{egress: {rules: [{host: a, methods: [GET], git: {repo: a}}]}}", ["spec.egress.rules[0].git"]),
    ("{egress: {rules: [{host: a, paths: [/a], git: {repo: a}}]}}", ["spec.egress.rules[0].git"]),
    ("{egress: {rules: [{host: a, action: deny, git: {repo: a, push: false}}]}}", ["spec.egress.rules[0].git.push"]),
    ("{egress: {rules: [{host: a, git: {repo: a, refs: [refs/heads/a]}}]}}", ["spec.egress.rules[0].git.refs"]),
    (
      "{egress: {rules: [{host: a, git: {repo: a, push: true, refs: [main, refs/a, refs/a, refs/b c]}}]}}",
      ["spec.egress.rules[0].git.refs[0]", "spec.egress.rules[0].git.refs[3]", "spec.egress.rules[0].git.refs[2]"]
    ),
  ])
  func agents(_ spec: String, _ expected: [String]) throws {
    #expect(try problems("Agent", spec) == expected)
  }

  @Test(arguments: [
    ("{description: x}", []),
    ("{requires: [{name: a/b, hint: x}, {name: ok, hint: \"\"}]}", ["spec.requires[0].name", "spec.requires[1].hint"]),
    ("{image: \"oci:rel\"}", ["spec.image"]),
  ])
  func templates(_ spec: String, _ expected: [String]) throws {
    #expect(try problems("AgentTemplate", spec) == expected)
  }

  @Test(arguments: [
    ("{rules: [{host: a}]}", []),
    ("{rules: []}", ["spec.rules"]),
    ("{selector: {agents: [A]}, rules: [{host: a}]}", ["spec.selector.agents[0]"]),
    (
      "{selector: {agents: [], owners: [], templates: []}, rules: [{host: a}]}",
      ["spec.selector.agents", "spec.selector.owners", "spec.selector.templates"]
    ),
    ("{selector: {matchLabels: {\"a b\": c}}, rules: [{host: a}]}", ["spec.selector.matchLabels"]),
    ("{selector: {matchLabels: {a: \"c d\"}}, rules: [{host: a}]}", ["spec.selector.matchLabels.a"]),
  ])
  func policies(_ spec: String, _ expected: [String]) throws {
    #expect(try problems("EgressPolicy", spec) == expected)
  }

  @Test(arguments: [
    ("{from: a, to: b, ports: [80]}", []),
    ("{from: a, to: a, ports: [80]}", ["spec.to"]),
    ("{from: A, to: B, ports: []}", ["spec.from", "spec.to", "spec.ports"]),
    ("{from: a, to: b, ports: [0, 70000, 80, 80]}", ["spec.ports[0]", "spec.ports[1]", "spec.ports[3]"]),
  ])
  func peering(_ spec: String, _ expected: [String]) throws {
    #expect(try problems("PeeringRule", spec) == expected)
  }

  @Test(arguments: [
    ("team", "red", true), ("a/b", "", true), ("example.com/x_y.z", "A-1", true), ("", "x", false), ("-a", "x", false),
    ("a/b/c", "x", false), ("a b", "x", false), ("a", "x y", false), ("a", "-x", false),
    ("a", String(repeating: "x", count: 64), false),
  ])
  func labels(_ key: String, _ value: String, _ isSound: Bool) throws {
    let agent = Agent(metadata: ObjectMeta(name: try ResourceName("a"), labels: [key: value]), spec: AgentSpec())
    #expect(agent.validate().isEmpty == isSound)
  }

  @Test func theOwnerNeverChanges() throws {
    func agent(_ owner: String?) throws -> Agent {
      Agent(
        metadata: ObjectMeta(name: try ResourceName("a")),
        spec: AgentSpec(owner: try owner.map { try UserIdentity($0) }))
    }
    #expect(try agent("a").validateUpdate(from: agent("a")) == [])
    #expect(try agent("a").validateUpdate(from: agent(nil)) == [])
    #expect(try agent("b").validateUpdate(from: agent("a")) == [FieldError("spec.owner", "immutable, it is a")])
    #expect(try agent(nil).validateUpdate(from: agent("a")) == [FieldError("spec.owner", "immutable, it is a")])
    #expect(throws: PalanaError.self) { try agent("b").check(replacing: agent("a")) }
  }

  @Test func checkJoinsAllProblems() throws {
    let agent = Agent(
      metadata: ObjectMeta(name: try ResourceName("a")),
      spec: AgentSpec(resources: AgentResources(pids: 1), ports: [AgentPort(name: "x", port: 0)]))
    let error = try #require(throws: PalanaError.self) { try agent.check() }
    #expect(
      error == PalanaError(.invalid, "spec.resources.pids: from 8 to 32768; spec.ports[0].port: a port is 1 to 65535"))
  }

  private func binding(_ change: (inout SecretBindingSpec) -> Void = { _ in }) -> [String] {
    var spec = SecretBindingSpec(
      agent: "demo", secret: "GITHUB_PAT", access: .proxyOnly,
      keys: [SecretKey(key: "token", placeholder: "TOKEN_GITHUB_PAT", variable: "GITHUB_PAT")],
      hosts: ["api.github.com:443"],
      places: ["header:authorization", "basic", "query:key", "path", "body", "websocket"], revision: 1)
    change(&spec)
    return spec.problems().map(\.path)
  }

  @Test func bindings() {
    #expect(binding() == [])
    #expect(binding { $0.agent = "A" } == ["spec.agent"])
    #expect(binding { $0.secret = "A-B" } == ["spec.secret"])
    #expect(binding { $0.keys = [] } == ["spec.keys"])
    #expect(binding { $0.keys[0].placeholder = "abc" } == ["spec.keys[0].placeholder"])
    #expect(binding { $0.keys[0].placeholder = "TOKEN GITHUB" } == ["spec.keys[0].placeholder"])
    #expect(binding { $0.keys[0].variable = "HTTPS_PROXY" } == ["spec.keys[0].variable"])
    #expect(binding { $0.keys.append($0.keys[0]) } == ["spec.keys[1]", "spec.keys[1]", "spec.keys[1]"])
    #expect(binding { $0.places = ["header:", "header:a b", "cookie", ""] }.count == 4)
    #expect(binding { $0.hosts = [""] } == ["spec.hosts[0]"])
    #expect(binding { $0.places.append("aws-sigv4") } == ["spec.aws"])
    #expect(binding { $0.aws = AWSScope(region: "eu-west-1", service: "s3") } == ["spec.aws"])
    #expect(
      binding {
        $0.places = ["aws-sigv4"]
        $0.aws = AWSScope(region: "EU", service: "")
      } == ["spec.aws.region", "spec.aws.service"])
    #expect(binding { $0.revision = -1 } == ["spec.revision"])
  }
}

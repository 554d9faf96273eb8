import PalanaCore
import PalanaLLM
import PalanaSecrets
import Testing

@testable import PalanaBootstrap

/// Routes of the LLM gateway as they are written.
struct LLMRouteFileTests {
  private static func load(_ yaml: String) throws -> LocalConfiguration {
    try ConfigurationLoader.load(yaml: "llm:\n" + yaml, file: "config.yaml", environment: [:])
  }

  private static func route(_ text: String) throws -> LLMRoute {
    let configuration = try load("  routes: {unified: \(text)}")
    return try #require(try configuration.llm.routes["unified"]?.route("unified"))
  }

  private static func agent(_ name: String, of owner: String) throws -> LLMAgent {
    let (name, owner) = (try ResourceName(name), try UserIdentity(owner))
    return LLMAgent(id: AgentID(owner: owner, name: name), name: name, owner: owner)
  }

  @Test func theShortestRoute() throws {
    let route = try Self.route(#"{upstream: "http://127.0.0.1:4100/"}"#)
    #expect(route.style == .openAI)
    #expect(route.upstreams.map(\.url) == ["http://127.0.0.1:4100"])
    #expect(route.upstreams.map(\.name) == ["127.0.0.1:4100"])
    #expect(route.upstreams.first?.credential == nil)
    #expect(route.models.allows("anything"))
  }

  @Test func everythingThatARouteSays() throws {
    let route = try Self.route(
      """
      {style: anthropic, models: ["claude-*"], aliases: {fast: claude-haiku-4-5}, maxOutput: 100, retries: 0, retryUncertain: true,
       firstByteTimeout: 5s, idleTimeout: 6s, timeout: 1h, credential: {scope: route, secret: KEY},
       upstreams: [{url: "https://api.anthropic.com"}, {url: "http://127.0.0.1:1/v1", name: own, style: openai, weight: 0,
                    credential: {secret: MINE, key: token, field: api-key}}]}
      """)
    #expect(route.style == .anthropic)
    #expect(route.upstreams.map(\.style) == [.anthropic, .openAI])
    #expect(route.upstreams.map(\.weight) == [1, 0])
    #expect(route.upstreams.map(\.name) == ["api.anthropic.com", "own"])
    #expect(route.upstreams.map { $0.credential?.field } == [.apiKey, .azure])
    #expect(route.models.allows("fast") && route.models.allows("claude-x") && !route.models.allows("gpt-4o"))
    #expect((route.maxOutput, route.retries) == (100, 0) && route.retriesUncertain)
    #expect(
      (route.firstByteTimeout, route.idleTimeout, route.timeout) == (.seconds(5), .seconds(6), .seconds(3_600)))
    let (alice, bob) = (try Self.agent("demo", of: "alice@example.com"), try Self.agent("demo", of: "bob@example.com"))
    let shared = try #require(route.upstreams.first?.credential?.secret)
    // One for all, at a place that is no agent's: no person can be called so.
    #expect(shared(alice) == shared(bob))
    #expect(shared(alice).path.owner.raw == LLMRouteFile.owner)
    let own = try #require(route.upstreams.last?.credential?.secret)
    #expect(own(alice) != own(bob))
    #expect(own(alice).path.owner == alice.owner && own(alice).key == "token")
  }

  @Test(arguments: [
    (#"{}"#, "upstream"), (#"{upstream: "http://a", upstreams: [{url: "http://b"}]}"#, "upstream"), (#"{upstreams: []}"#, "upstream"),
    (#"{upstream: "ftp://a"}"#, "upstream"), (#"{upstream: "http://"}"#, "upstream"), (#"{upstream: "http://user:pw@a"}"#, "upstream"),
    (#"{upstream: "http://a?key=1"}"#, "upstream"), (#"{upstream: "http://a", style: gemini}"#, "style"),
    (#"{upstream: "http://a", maxOutput: 0}"#, "maxOutput"), (#"{upstream: "http://a", maxInput: 0}"#, "maxInput"),
    (#"{upstream: "http://a", maxBody: 17Mi}"#, "maxBody"), (#"{upstream: "http://a", maxBody: 0}"#, "maxBody"),
    (#"{upstream: "http://a", maxBody: much}"#, "maxBody"), (#"{upstream: "http://a", contentLog: maybe}"#, "contentLog"),
    (#"{upstream: "http://a", retries: 11}"#, "retries"),
    (#"{upstream: "http://a", timeout: 1ms}"#, "timeout"), (#"{upstream: "http://a", idleTimeout: soon}"#, "idleTimeout"),
    (#"{upstream: "http://a", models: [""]}"#, "models"), (#"{upstream: "http://a", credential: {secret: "a b"}}"#, "credential"),
    (#"{upstream: "http://a", credential: {}}"#, "secret"), (#"{upstream: "http://a", key: sk-123}"#, "key"),
    (#"{upstreams: [{url: "http://a", weight: -1}]}"#, "weight"),
    (#"{upstreams: [{url: "http://a", style: pass-through}]}"#, "pass-through"),
  ])
  func whatIsWrongIsNamed(_ text: String, _ names: String) {
    let error = #expect(throws: PalanaError.self) { try Self.load("  routes: {unified: \(text)}") }
    #expect(error?.code == .invalid)
    #expect(error?.message.contains("llm.routes") == true && error?.message.contains(names) == true, "\(error?.message ?? "")")
  }

  @Test func namesOfRoutesArePaths() {
    for name in ["A", "a/b", "\"a b\"", "\"\"", "..", String(repeating: "a", count: 64)] {
      let error = #expect(throws: PalanaError.self) { try Self.load(#"  routes: {\#(name): {upstream: "http://a"}}"#) }
      #expect(error?.message.contains("llm.routes") == true)
    }
  }

  @Test func whatARouteTakesAndKeeps() throws {
    let plain = try Self.route(#"{upstream: "http://a"}"#)
    #expect(plain.maxInput == nil && plain.maxBody == nil && !plain.keepsContent)
    let route = try Self.route(#"{upstream: "http://a", maxInput: 5000, maxBody: 64Ki, contentLog: true}"#)
    #expect((route.maxInput, route.maxBody) == (5_000, 65_536) && route.keepsContent)
    let whole = try Self.route(#"{upstream: "http://a", maxBody: 16Mi}"#)
    #expect(whole.maxBody == 16 << 20)
  }

  @Test func theContentLogHasBounds() throws {
    let usual = try Self.load("  redact: {}").llm.contentLog
    #expect((usual.retention, usual.maxBytes, usual.maxRecordBytes) == (.seconds(7 * 86_400), 1 << 30, 1 << 20))
    let own = try Self.load("  contentLog: {retention: 1h, maxBytes: 64Mi, maxRecordBytes: 8Mi}").llm.contentLog
    #expect((own.retention, own.maxBytes, own.maxRecordBytes) == (.seconds(3_600), 64 << 20, 8 << 20))
    for (text, key) in [
      ("{retention: 59m}", "retention"), ("{retention: never}", "retention"), ("{maxBytes: 63Mi}", "maxBytes"),
      ("{maxBytes: 2Ti}", "maxBytes"),
      ("{maxBytes: 1GB}", "maxBytes"), ("{maxRecordBytes: 9Mi}", "maxRecordBytes"), ("{maxRecordBytes: 1}", "maxRecordBytes"),
      ("{enabled: true}", "enabled"),
    ] {
      let error = #expect(throws: PalanaError.self) { try Self.load("  contentLog: \(text)") }
      #expect(error?.message.contains("llm.contentLog.\(key)") == true, "\(error?.message ?? "")")
    }
  }

  @Test func patternsAreReadAtTheStart() throws {
    let configuration = try Self.load("  redact: {email: '[a-z]+@[a-z]+'}")
    #expect(configuration.llm.redact == ["email": "[a-z]+@[a-z]+"])
    let error = #expect(throws: PalanaError.self) { try Self.load("  redact: {email: '('}") }
    #expect(error?.message.contains("llm.redact") == true && error?.message.contains("email") == true)
  }
}

import PalanaAPI
import PalanaCore
import PalanaPolicy
import PalanaSecrets
import Testing

@Suite struct BindingTests {
  @Test(arguments: [
    ("api.github.com", "api.github.com", 443 as UInt16, EgressRequest.Scheme.https),
    ("API.GitHub.com.:8443", "api.github.com", 8443, .https),
    ("https://api.github.com", "api.github.com", 443, .https),
    ("http://internal.example", "internal.example", 80, .http),
    ("http://internal.example:8080", "internal.example", 8080, .http),
    ("*.example.com:444", "*.example.com", 444, .https),
    ("192.0.2.7:9000", "192.0.2.7", 9000, .https),
    ("[2001:db8::1]:9000", "2001:db8::1", 9000, .https),
    ("[2001:db8::1]", "2001:db8::1", 443, .https),
  ])
  func readsDestinations(text: String, host: String, port: UInt16, scheme: EgressRequest.Scheme) throws {
    let destination = try BoundDestination.parse(text)
    #expect(destination.host.description == host)
    #expect(destination.port == port)
    #expect(destination.scheme == scheme)
  }

  @Test(arguments: [
    "", "*", "**", "*.com", "host:", "host:0", "host:65536", "host:-1", "host:+1", "host: 1", "host:1:2x", "a b",
    "host/path",
    "user@host", "ftp://host", "[::1", "[::1]x", "host:000443",
  ])
  func refusesOtherDestinations(text: String) {
    #expect(thrown { _ = try BoundDestination.parse(text) }?.code == .invalid)
  }

  @Test(arguments: [
    ("header:Authorization", PlaceholderBinding.Place.header("authorization")),
    ("header:x-api-key", .header("x-api-key")),
    ("basic", .basic), ("query:key", .query("key")), ("path", .path), ("body", .body),
  ])
  func readsPlaces(text: String, place: PlaceholderBinding.Place) throws {
    #expect(try PlaceholderBinding.Place.parse(text) == place)
    #expect(try PlaceholderBinding.Place.parse(place.text) == place)
  }

  @Test(arguments: [
    "", "header", "header:", "header:a b", "header:host", "header:Content-Length", "header:transfer-encoding", "query:",
    "query:a=b", "Basic", "cookie", "header:a\r\nb", "header:proxy-authorization",
  ])
  func refusesOtherPlaces(text: String) {
    #expect(thrown { _ = try PlaceholderBinding.Place.parse(text) }?.code == .invalid)
  }

  @Test func compilesABinding() throws {
    let bindings = try PlaceholderBinding.bindings(
      from: Names.spec(
        keys: [
          SecretKey(key: "token", placeholder: "TOKEN_GITHUB_PAT"),
          SecretKey(key: "user", placeholder: "TOKEN_GITHUB_PAT_USER"),
        ], hosts: ["api.github.com", "github.com:8443"]))
    #expect(bindings.map(\.placeholder) == ["TOKEN_GITHUB_PAT", "TOKEN_GITHUB_PAT_USER"])
    #expect(bindings[0].places == [.header("authorization"), .basic])
    #expect(bindings[0].destinations.map(\.port) == [443, 8443])
    #expect(bindings[1].ref.description == "proxy-secrets/alice@example.com/demo/GITHUB_PAT#user")
    #expect(bindings.allSatisfy { $0.revision == 3 && $0.secretName == "GITHUB_PAT" })
  }

  @Test func anUnboundSecretIsInertAndAReadableOneHasNoBinding() throws {
    #expect(try PlaceholderBinding.bindings(from: Names.spec(hosts: [])).first?.destinations == [])
    #expect(try PlaceholderBinding.bindings(from: Names.spec(access: .agentReadable)) == [])
  }

  @Test(arguments: [
    (["*"], [], "spec.hosts[0]"), (["ok.example", "bad host"], [], "spec.hosts[1]"),
    (["ok.example"], ["nowhere"], "spec.places[0]"),
  ])
  func namesTheField(hosts: [String], places: [String], field: String) throws {
    let spec = try Names.spec(hosts: hosts, places: places)
    #expect(thrown { _ = try PlaceholderBinding.bindings(from: spec) }?.message.hasPrefix(field) == true)
  }

  @Test(arguments: [
    [SecretKey(key: "token")], [SecretKey(key: "to ken", placeholder: "TOKEN_GITHUB_PAT")],
    [SecretKey(key: "token", placeholder: "plain")],
    [SecretKey(key: "a", placeholder: "TOKEN_GITHUB_PAT"), SecretKey(key: "b", placeholder: "TOKEN_GITHUB_PAT")],
  ])
  func refusesWrongKeys(keys: [SecretKey]) throws {
    let spec = try Names.spec(keys: keys)
    #expect(thrown { _ = try PlaceholderBinding.bindings(from: spec) }?.message.contains("spec.keys[") == true)
  }

  @Test(arguments: [
    ("GITHUB_PAT", ["api.github.com", "github.com", "uploads.github.com"], ["header:authorization", "basic"]),
    ("openai_api_key", ["api.openai.com"], ["header:authorization"]),
    ("ANTHROPIC_API_KEY", ["api.anthropic.com"], ["header:x-api-key", "header:authorization"]),
    ("SLACK_BOT_TOKEN", ["slack.com"], ["header:authorization"]),
    ("GITHUBBER", [], []), ("MY_GITHUB", [], []),
  ])
  func wellKnownNamesGetTheirHosts(secret: String, hosts: [String], places: [String]) throws {
    let spec = try SecretBindingSpec.draft(
      owner: Names.owner(), agent: Names.agent(), secret: secret, access: .proxyOnly, keys: ["token"])
    #expect(spec.hosts == hosts)
    #expect(spec.places == places)
    #expect(spec.revision == 1)
  }

  @Test func whatAPersonSaysWins() throws {
    let spec = try SecretBindingSpec.draft(
      owner: Names.owner(), agent: Names.agent(), secret: "GITHUB_PAT", access: .proxyOnly, keys: ["token"],
      hosts: ["git.example.com"], places: ["header:x-token"])
    #expect(spec.hosts == ["git.example.com"])
    #expect(spec.places == ["header:x-token"])
  }

  /// For the gateway of language models alone: no request to any host may carry it, whatever its name.
  @Test func noHostsAtAllIsSaidByAnEmptyList() throws {
    let spec = try SecretBindingSpec.draft(
      owner: Names.owner(), agent: Names.agent(), secret: "OPENAI_API_KEY", access: .proxyOnly, keys: ["value"], hosts: [])
    #expect(spec.hosts.isEmpty && spec.places.isEmpty)
    #expect(try PlaceholderBinding.bindings(from: spec).first?.destinations.isEmpty == true)
  }

  @Test func everyWellKnownEntryCompiles() throws {
    for known in WellKnownSecret.all {
      let spec = try SecretBindingSpec.draft(
        owner: Names.owner(), agent: Names.agent(), secret: known.prefix + "_KEY", access: .proxyOnly, keys: ["token"])
      #expect(try PlaceholderBinding.bindings(from: spec).first?.destinations.isEmpty == false)
    }
  }

  @Test func aReadableSecretHasNoHosts() throws {
    let (owner, agent) = (try Names.owner(), try Names.agent())
    let error = thrown {
      _ = try SecretBindingSpec.draft(
        owner: owner, agent: agent, secret: "A", access: .agentReadable, keys: ["token"], hosts: ["a.example"])
    }
    #expect(error?.code == .invalid)
  }
}

import PalanaBootstrap
import PalanaCore
import Testing

@Suite struct ConfigurationLoaderTests {
  private func load(_ yaml: String?, _ environment: [String: String] = [:]) throws(PalanaError) -> LocalConfiguration {
    try ConfigurationLoader.load(yaml: yaml, file: "config.yaml", environment: environment)
  }

  @Test func nothingGivesTheDefaults() throws {
    #expect(try load(nil) == LocalConfiguration())
    #expect(try load("") == LocalConfiguration())
  }

  @Test func theWholeDocumentedFileIsRead() throws {
    let configuration = try load(
      """
      home: /srv/palana
      control: {listen: "127.0.0.1:7181", oidc: {issuer: "", clientID: "", clientSecret: ""}}
      egress:
        listen: "10.78.0.1:3129"
        dns: {servers: ["192.0.2.53", "127.0.0.1:5353"], hosts: {"api.internal.example": "127.0.0.1"}}
        upstreamCA: ["/etc/ca.pem"]
        allowAddresses: ["127.0.0.1/32"]
        limits: {headerBytes: 32768, bodyRewriteBytes: 1024, connectionsPerAgent: 7, http2: {streams: 16, streamWindow: 65535}}
      llm: {listen: "10.77.0.1:4000", routes: {unified: {upstream: "http://127.0.0.1:4100", style: openai}}}
      secrets: {address: "", tokenFile: "", caFile: ""}
      opa: {bundles: [a.rego], server: ""}
      audit: {retention: 30d}
      network: {subnet: 10.78.0.0/16}
      """)
    #expect(configuration.home == "/srv/palana")
    #expect(configuration.control.listen?.port == 7181)
    #expect(configuration.egress.listen?.description == "10.78.0.1:3129")
    #expect(configuration.egress.dnsServers.map(\.description) == ["192.0.2.53:53", "127.0.0.1:5353"])
    #expect(configuration.egress.dnsHosts == ["api.internal.example": .v4(0x7f00_0001)])
    #expect(configuration.egress.upstreamCA == ["/etc/ca.pem"])
    #expect(configuration.egress.allowAddresses.map(\.description) == ["127.0.0.1/32"])
    #expect(configuration.egress.limits.connectionsPerAgent == 7)
    #expect(configuration.egress.limits.http2.streams == 16)
    #expect(configuration.egress.limits.http2.streamWindow == 65_535)
    #expect(configuration.egress.limits.http2.connectionWindow == 1_048_576)
    #expect(configuration.opa.bundles == ["a.rego"])
    #expect(configuration.auditRetention == .seconds(30 * 86_400))
    #expect(configuration.subnet == "10.78.0.0/16")
    #expect(configuration.llm.listen?.description == "10.77.0.1:4000")
    #expect(configuration.llm.routes.keys.sorted() == ["unified"])
    #expect(configuration.warnings.isEmpty)
  }

  @Test func theEnvironmentWins() throws {
    let configuration = try load(
      "network: {subnet: 10.78.0.0/16}",
      [
        "PALANA_NETWORK_SUBNET": "10.79.0.0/16", "PALANA_EGRESS_DNS_HOSTS": "a.test=127.0.0.2,b.test=::1",
        "PALANA_EGRESS_UPSTREAM_CA": "/a.pem,/b.pem", "PALANA_UNRELATED": "x",
      ])
    #expect(configuration.subnet == "10.79.0.0/16")
    #expect(configuration.egress.dnsHosts.count == 2)
    #expect(configuration.egress.upstreamCA == ["/a.pem", "/b.pem"])
  }

  @Test(arguments: [
    ("egress:\n  limts: {}\n", "there is no such key", false),
    ("egress:\n  listn: 1\n", "config.yaml:2: egress.listn: there is no such key", true),
    ("home: relative\n", "config.yaml:1: home: an absolute path", true),
    ("control:\n  listen: here\n", "config.yaml:2: control.listen: ‘here’ is not ADDRESS:PORT", true),
    ("control:\n  listen: \"1.2.3.4:99999\"\n", "control.listen", true),
    ("egress:\n  allowAddresses: [10.0.0.1/8]\n", "config.yaml:2: egress.allowAddresses: ‘10.0.0.1/8’", true),
    ("egress:\n  allowAddresses: 10.0.0.0/99\n", "egress.allowAddresses", true),
    ("egress:\n  dns:\n    hosts: {a.test: nowhere}\n", "config.yaml:3: egress.dns.hosts: ‘nowhere’", true),
    ("egress:\n  dns:\n    hosts: [a]\n", "a mapping of names is expected", true),
    ("egress:\n  limits: {headerBytes: many}\n", "egress.limits.headerBytes: a whole number", true),
    ("egress:\n  limits: {http2: {streamWindow: 100}}\n", "egress.limits.http2.streamWindow", true),
    ("egress:\n  limits: {headerBytes: [1]}\n", "one value is expected", true),
    ("audit: {retention: soon}\n", "audit.retention", true),
    ("audit: {retention: 1s}\n", "audit.retention", true),
    ("network: {subnet: fe80::/64}\n", "network.subnet", true),
    ("network: {prefix: \"UPPER\"}\n", "network.prefix", true),
    ("home: /a\nhome: /b\n", "config.yaml", true),
    ("- a\n", "the configuration is a mapping", true),
    ("home: [unclosed\n", "not valid YAML", true),
    ("secrets: {address: \"http://127.0.0.1:8200\"}\n", "belong together", true),
  ])
  func mistakesNameFileLineAndKey(yaml: String, expected: String, fails: Bool) throws {
    if fails {
      let error = try #require(throws: PalanaError.self) { try load(yaml) }
      #expect(error.code == .invalid)
      #expect(error.message.contains(expected), "\(error.message)")
    } else {
      // An empty group of unknown keys holds no key.
      #expect(try load(yaml) == LocalConfiguration())
    }
  }

  @Test func aMisspeltKeyGetsAHint() throws {
    let error = try #require(throws: PalanaError.self) { try load("egress: {upstreamCa: []}") }
    #expect(error.hint == "did you mean egress.upstreamCA?")
  }

  @Test(arguments: [
    ("home", "PALANA_HOME"), ("egress.upstreamCA", "PALANA_EGRESS_UPSTREAM_CA"),
    ("egress.limits.headerBytes", "PALANA_EGRESS_LIMITS_HEADER_BYTES"),
    ("control.oidc.clientID", "PALANA_CONTROL_OIDC_CLIENT_ID"),
  ])
  func keysHaveVariables(path: String, variable: String) {
    #expect(ConfigurationLoader.variable(for: path) == variable)
  }
}

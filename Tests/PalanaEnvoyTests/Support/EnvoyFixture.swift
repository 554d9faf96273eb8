import Foundation
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaPolicy
import PalanaSecrets
import Testing

@testable import PalanaEgress
@testable import PalanaEnvoy

/// The real Envoy with two agents, as in the gateway's own tests: A (127.0.1.1) may reach `allowed.test` and has a secret bound
/// to it, and `other.test` without a secret; B (127.0.1.2) may reach both without a secret. `evil.test` is allowed for nobody.
struct EnvoyFixture: PlaneFixture {
  /// Where `scripts/setup --test` puts it.
  static let binary = ProcessInfo.processInfo.environment["PALANA_ENVOY"] ?? "/opt/palana/tools/envoy/envoy"
  static var isInstalled: Bool { FileManager.default.isExecutableFile(atPath: binary) }

  let envoy: EnvoyDataPlane
  let judge: EgressJudge
  let configuration: EnvoyConfiguration
  let port: Int
  let sink: RecordingSink
  let secrets: FakeSecrets
  let clientTLS: NIOSSLContext
  let upstreamPort: UInt16

  var plane: any EgressDataPlane { envoy }

  /// How one test differs from the usual set-up.
  struct Options: Sendable {
    var limits = EgressLimits()
    var script: Upstream.Script = Upstream.echo
    /// The name in the upstream's certificate; nil: no TLS.
    var certificate: String? = "allowed.test"
    var trustsUpstreamCA = true
    var mayGoUnscrubbed = true
    /// Whether A has its secret.
    var bindsA = true
    /// Whether the data plane runs; otherwise the test runs its parts.
    var serves = true
    var patience = Duration.seconds(10)
    /// The secret's; another one is asked for anew.
    var revision = 1
    var tokenDestinations: [BoundDestination] = []
    /// What A may do with Git at `allowed.test`, instead of everything.
    var git: [GitRule] = []
    var places: Set<PlaceholderBinding.Place> = [.header("authorization"), .basic]
    var guardrails: [any Guardrail] = []
    var hosts = ["allowed.test": "127.0.0.1", "other.test": "127.0.0.1", "evil.test": "127.0.0.1", "meta.test": "169.254.169.254"]
  }

  /// Runs Envoy and an upstream for the time of `body`.
  static func run(
    _ options: Options = Options(), _ body: @Sendable (EnvoyFixture, Upstream) async throws -> Void
  ) async throws {
    let now = WallClock.system.now()
    let ours = try GatewayFixture.makeAuthority("test", now)
    let roots = try GatewayFixture.makeAuthority("upstreams", now)
    let tls = try options.certificate.map { name in
      try NIOSSLContext(configuration: LeafMint(authority: roots).configuration(for: CanonicalHost.parse(name), now: now))
    }
    let upstream = try await Upstream(tls: tls, script: options.script)
    let file = try TemporaryFile(roots.certificatePEM)
    defer { file.remove() }
    var hosts: [CanonicalHost: IPAddress] = [:]
    for (name, address) in options.hosts { hosts[try CanonicalHost.parse(name)] = IPAddress(address) }
    let egress = EgressGatewayConfiguration(
      listenAddress: .v4(0x7f00_0001), listenPort: try await freePort(), threads: 1, staticHosts: hosts,
      upstreamCAFiles: options.trustsUpstreamCA ? [file.path] : [],
      addresses: AddressPolicy(allowed: [try CIDR("127.0.0.0/8")]), limits: options.limits)
    let sink = RecordingSink()
    let secrets = FakeSecrets()
    secrets.set("token", canary)
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let judge = try EgressJudge(
      configuration: egress, certificateAuthority: ours, secrets: secrets, audit: { _ in sink },
      mayGoUnscrubbed: options.mayGoUnscrubbed, logger: logger)
    let folder = "/tmp/palana-envoy-\(UUID().uuidString.prefix(8))"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var configuration = EnvoyConfiguration(binary: binary, folder: folder, egress: egress)
    configuration.patience = options.patience
    let plane = EnvoyDataPlane(configuration, judge: judge, logger: logger)
    var client = TLSConfiguration.makeClientConfiguration()
    client.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(ours.certificatePEM.utf8)))
    client.shutdownTimeout = .milliseconds(200)
    let fixture = EnvoyFixture(
      envoy: plane, judge: judge, configuration: configuration, port: Int(egress.listenPort), sink: sink, secrets: secrets,
      clientTLS: try NIOSSLContext(configuration: client), upstreamPort: upstream.port)
    try await withThrowingDiscardingTaskGroup { group in
      group.addTask { await upstream.run() }
      defer { group.cancelAll() }
      guard options.serves else { return try await body(fixture, upstream) }
      group.addTask { try await plane.run() }
      await plane.apply(try fixture.snapshot(1, options))
      try #require(await fixture.eventually { plane.boundAddress != nil })
      try await body(fixture, upstream)
    }
  }

  /// A port that nobody has at this moment. Envoy is told its port, so the system cannot choose one for it.
  private static func freePort() async throws -> UInt16 {
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(host: "127.0.0.1", port: 0).get()
    let port = UInt16(channel.localAddress?.port ?? 0)
    try await channel.close()
    return port
  }

  // MARK: Agents

  func snapshot(
    _ version: UInt64, _ options: Options = Options(), killA: Bool = false, allowsA: Bool = true, tokenA: String = Self.tokenA
  ) throws -> EgressSnapshot {
    let ports = [Int(upstreamPort), 80, 443]
    let rulesA = options.git.enumerated().map { EgressRule(id: "git-\($0)", host: "allowed.test", ports: ports, git: $1) }
    let rules = ["allowed.test", "other.test", "names.test", "meta.test"].map { name in
      EgressRule(id: name, host: name == "names.test" ? "**.\(name)" : name, ports: ports)
    }
    var secret = try binding(places: options.places, revision: options.revision)
    secret.tokenDestinations = options.tokenDestinations
    return try EgressSnapshot(
      version: version,
      agents: [
        try agent(
          "a", source: "127.0.1.1", token: tokenA, rules: !allowsA ? [] : rulesA.isEmpty ? rules : rulesA,
          bindings: options.bindsA ? [secret] : [], guardrails: options.guardrails, killed: killA),
        try agent("b", source: "127.0.1.2", token: Self.tokenB, rules: rules, bindings: []),
      ])
  }
}

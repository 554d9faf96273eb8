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
struct EnvoyFixture: Sendable {
  static let canary = "canary-7f3a9c-s3cr3t-value"
  static let placeholder = "TOKEN_GITHUB_PAT"
  static let tokenA = "token-of-agent-a"
  static let tokenB = "token-of-agent-b"

  /// Where `scripts/setup --test` puts it.
  static let binary = ProcessInfo.processInfo.environment["PALANA_ENVOY"] ?? "/opt/palana/tools/envoy/envoy"
  static var isInstalled: Bool { FileManager.default.isExecutableFile(atPath: binary) }

  let plane: EnvoyDataPlane
  let configuration: EnvoyConfiguration
  let port: Int
  let sink: RecordingSink
  let secrets: FakeSecrets
  let clientTLS: NIOSSLContext
  let upstreamPort: UInt16

  /// How one test differs from the usual set-up.
  struct Options: Sendable {
    var limits = EgressLimits()
    var script: Upstream.Script = Upstream.echo
    /// The name in the upstream's certificate; nil: no TLS.
    var certificate: String? = "allowed.test"
    var trustsUpstreamCA = true
    var mayGoUnscrubbed = true
    var places: Set<PlaceholderBinding.Place> = [.header("authorization"), .basic]
    var guardrails: [any Guardrail] = []
    var hosts = ["allowed.test": "127.0.0.1", "other.test": "127.0.0.1", "evil.test": "127.0.0.1", "meta.test": "169.254.169.254"]
  }

  /// Runs Envoy and an upstream for the time of `body`.
  static func run(
    _ options: Options = Options(), _ body: @Sendable (EnvoyFixture, Upstream) async throws -> Void
  ) async throws {
    let now = WallClock.system.now()
    let ours = try authority("test", now)
    let roots = try authority("upstreams", now)
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
    let configuration = EnvoyConfiguration(binary: binary, folder: folder, egress: egress)
    let plane = EnvoyDataPlane(configuration, judge: judge, logger: logger)
    var client = TLSConfiguration.makeClientConfiguration()
    client.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(ours.certificatePEM.utf8)))
    client.shutdownTimeout = .milliseconds(200)
    let fixture = EnvoyFixture(
      plane: plane, configuration: configuration, port: Int(egress.listenPort), sink: sink, secrets: secrets,
      clientTLS: try NIOSSLContext(configuration: client), upstreamPort: upstream.port)
    try await withThrowingDiscardingTaskGroup { group in
      group.addTask { try await plane.run() }
      group.addTask { await upstream.run() }
      defer { group.cancelAll() }
      await plane.apply(try fixture.snapshot(1, options))
      try #require(await fixture.eventually { plane.boundAddress != nil })
      try await body(fixture, upstream)
    }
  }

  private static func authority(_ name: String, _ now: Timestamp) throws -> CertificateAuthority {
    let pair = try CertificateAuthority.generate(installation: name, now: now)
    return try CertificateAuthority(certificatePEM: pair.certificate, keyPEM: pair.key)
  }

  /// A port that nobody has at this moment. Envoy is told its port, so the system cannot choose one for it.
  private static func freePort() async throws -> UInt16 {
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(host: "127.0.0.1", port: 0).get()
    let port = UInt16(channel.localAddress?.port ?? 0)
    try await channel.close()
    return port
  }

  /// Waits until `condition` holds, by asking again and again.
  func eventually(_ condition: () async -> Bool) async -> Bool {
    while !Task.isCancelled {
      if await condition() { return true }
      _ = await plane.statistics()
      await Task.yield()
    }
    return false
  }

  // MARK: Agents

  func snapshot(
    _ version: UInt64, _ options: Options = Options(), killA: Bool = false, allowsA: Bool = true, tokenA: String = Self.tokenA
  ) throws -> EgressSnapshot {
    let ports = [Int(upstreamPort), 80, 443]
    let rules = ["allowed.test", "other.test", "names.test", "meta.test"].map { name in
      EgressRule(id: name, host: name == "names.test" ? "**.\(name)" : name, ports: ports)
    }
    let binding = PlaceholderBinding(
      placeholder: Self.placeholder, secretName: "GITHUB_PAT",
      ref: SecretRef(
        path: SecretPath(
          area: .proxySecrets, owner: try UserIdentity("alice@example.com"), agent: try ResourceName("a"), secret: "GITHUB_PAT"),
        key: "token"),
      destinations: [BoundDestination(host: try HostPattern.parse("allowed.test"), port: upstreamPort, scheme: .https)],
      places: options.places, revision: 1)
    return try EgressSnapshot(
      version: version,
      agents: [
        try agent(
          "a", source: "127.0.1.1", token: tokenA, rules: allowsA ? rules : [], bindings: [binding],
          guardrails: options.guardrails, killed: killA),
        try agent("b", source: "127.0.1.2", token: Self.tokenB, rules: rules, bindings: []),
      ])
  }

  private func agent(
    _ name: String, source: String, token: String, rules: [EgressRule], bindings: [PlaceholderBinding],
    guardrails: [any Guardrail] = [], killed: Bool = false
  ) throws -> EgressAgent {
    let owner = try UserIdentity("alice@example.com")
    let resource = try ResourceName(name)
    return EgressAgent(
      subject: PolicySubject(
        id: AgentID(owner: owner, name: resource), name: resource, owner: owner, template: nil, labels: [:]),
      source: try #require(IPAddress(source)), proxyToken: Redacted(token),
      decisions: DecisionCore(rules: try CompiledRules([RuleSource(name: "agent", rules: rules)]), guardrails: guardrails),
      bindings: bindings, isKilled: killed)
  }

  static var idA: AgentID { get throws { AgentID(owner: try UserIdentity("alice@example.com"), name: try ResourceName("a")) } }

  // MARK: Clients

  static func basic(_ token: String) -> String { "Basic " + Data("agent:\(token)".utf8).base64EncodedString() }

  func client<Result: Sendable>(
    from source: String = "127.0.1.1", _ body: (inout Wire) async throws -> Result
  ) async throws -> Result {
    let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .bind(to: SocketAddress(ipAddress: source, port: 0))
      .connect(host: "127.0.0.1", port: port) { channel in
        channel.eventLoop.makeCompletedFuture {
          try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
        }
      }
    return try await channel.executeThenClose { inbound, outbound in
      var wire = Wire(channel.channel, inbound, outbound)
      return try await body(&wire)
    }
  }

  func connect(_ host: String, port: UInt16? = nil, token: String? = Self.tokenA) -> String {
    let authority = "\(host):\(port ?? upstreamPort)"
    let proof = token.map { "proxy-authorization: \(Self.basic($0))\r\n" } ?? ""
    return "CONNECT \(authority) HTTP/1.1\r\nhost: \(authority)\r\n\(proof)\r\n"
  }

  func tunnel<Result: Sendable>(
    _ host: String = "allowed.test", from source: String = "127.0.1.1", token: String = Self.tokenA,
    serverName: String? = nil, _ body: (inout Wire) async throws -> Result
  ) async throws -> Result {
    try await client(from: source) { wire in
      try await wire.send(connect(host, token: token))
      let answer = try await wire.head()
      try #require(answer?.hasPrefix("HTTP/1.1 200 ") == true, "\(answer ?? "closed")")
      try await wire.startTLS(clientTLS, name: serverName ?? host)
      return try await body(&wire)
    }
  }

  /// The text of a request inside a tunnel.
  func request(
    _ target: String = "/", method: String = "GET", host: String = "allowed.test", _ fields: String...
  ) -> String {
    "\(method) \(target) HTTP/1.1\r\nhost: \(host):\(upstreamPort)\r\n\(fields.map { $0 + "\r\n" }.joined())\r\n"
  }

  /// One request through a tunnel of its own.
  func ask(_ text: String, host: String = "allowed.test") async throws -> Response? {
    try await tunnel(host) { wire in
      try await wire.send(text)
      return try await wire.response()
    }
  }
}

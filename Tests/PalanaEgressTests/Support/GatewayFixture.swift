import Crypto
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
import ServiceLifecycle
import SwiftASN1
import Testing
import X509

@testable import PalanaEgress

/// A running gateway with two agents: A (127.0.1.1) may reach `allowed.test` and has a secret bound to it, and `other.test`
/// without a secret; B (127.0.1.2) may reach `other.test`. `evil.test` is allowed for nobody.
struct GatewayFixture: PlaneFixture {
  let gateway: EgressGateway
  let port: Int
  let sink: RecordingSink
  let secrets: FakeSecrets
  let clientTLS: NIOSSLContext
  let authority: CertificateAuthority
  let upstreamPort: UInt16
  private let services: ServiceGroup

  var plane: any EgressDataPlane { gateway }

  /// How one test differs from the usual set-up.
  struct Options: Sendable {
    var limits = EgressLimits()
    var threads = 2
    var script: Upstream.Script = Upstream.echo
    /// Names in the upstream's certificate; nil: no TLS.
    var certificate: String? = "allowed.test"
    var certificateAuthority: PEMSource = .trusted
    /// What the upstream speaks, the preferred protocol first. With nothing but `h2` it turns others away.
    var protocols = ["http/1.1"]
    /// How old the upstream's certificate is; it lives for a week.
    var certificateAge: Duration = .zero
    /// The newest TLS version of the upstream.
    var newestTLS: TLSVersion?
    /// Whether the gateway is told to trust the authority of the upstreams.
    var trustsUpstreamCA = true
    var allowed = ["127.0.0.0/8"]
    var bindings: [PlaceholderBinding]?
    var rulesA: [EgressRule]?
    var guardrails: [any Guardrail] = []
    var nameServers: [EgressGatewayConfiguration.NameServer] = []
    var hosts: [String: String] = ["allowed.test": "127.0.0.1", "other.test": "127.0.0.1", "evil.test": "127.0.0.1"]

    /// Where redirected connections were to go; nil: no transparent mode.
    var destination: OriginalDestination.Lookup?

    enum PEMSource: Sendable { case trusted, stranger, ours, itself }
  }

  /// Runs a gateway and an upstream for the time of `body`.
  static func run(
    _ options: Options = Options(), _ body: @Sendable (GatewayFixture, Upstream) async throws -> Void
  ) async throws {
    let now = WallClock.system.now()
    let ours = try makeAuthority("test", now)
    let roots = try makeAuthority("upstreams", now)
    let stranger = try makeAuthority("stranger", now)
    let signer =
      switch options.certificateAuthority {
      case .trusted: roots
      // A certificate of its own making is one of an authority that nobody knows, with nothing above it.
      case .stranger, .itself: stranger
      case .ours: ours
      }
    let tls = try options.certificate.map { name in
      var configuration = try LeafMint(authority: signer)
        .configuration(for: CanonicalHost.parse(name), now: now - options.certificateAge)
      // An upstream that ends with its connection waits until all of it is read.
      configuration.shutdownTimeout = .seconds(30)
      configuration.applicationProtocols = options.protocols
      if options.certificateAuthority == .itself {
        let key = P256.Signing.PrivateKey()
        configuration.certificateChain = [.certificate(try selfSigned(name, key, now))]
        configuration.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: Array(key.derRepresentation), format: .der))
      }
      if let newest = options.newestTLS {
        configuration.minimumTLSVersion = .tlsv1
        configuration.maximumTLSVersion = newest
      }
      return try NIOSSLContext(configuration: configuration)
    }
    let upstream = try await Upstream(tls: tls, onlyHTTP2: options.protocols == ["h2"], script: options.script)
    let file = try TemporaryFile(roots.certificatePEM)
    defer { file.remove() }

    var hosts: [CanonicalHost: IPAddress] = [:]
    for (name, address) in options.hosts { hosts[try CanonicalHost.parse(name)] = IPAddress(address) }
    var configuration = EgressGatewayConfiguration(
      listenAddress: .v4(0x7f00_0001), threads: options.threads, nameServers: options.nameServers, staticHosts: hosts,
      upstreamCAFiles: options.trustsUpstreamCA ? [file.path] : [],
      addresses: AddressPolicy(allowed: try options.allowed.map { try CIDR($0) }), limits: options.limits)
    if let destination = options.destination {
      var transparent = try TransparentConfiguration(
        listenPort: 0, resolverPort: 0, range: CIDR(TransparentConfiguration.defaultRange))
      transparent.destination = destination
      configuration.transparent = transparent
    }
    let sink = RecordingSink()
    let secrets = FakeSecrets()
    secrets.set("token", canary)
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let gateway = try EgressGateway(
      configuration: configuration, certificateAuthority: ours, secrets: secrets, audit: { _ in sink }, logger: logger)
    try await gateway.listen()
    let bound = try #require(gateway.boundAddress)
    var client = TLSConfiguration.makeClientConfiguration()
    client.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(ours.certificatePEM.utf8)))
    client.shutdownTimeout = .milliseconds(200)
    let fixture = GatewayFixture(
      gateway: gateway, port: Int(bound.port), sink: sink, secrets: secrets,
      clientTLS: try NIOSSLContext(configuration: client), authority: ours, upstreamPort: upstream.port,
      services: ServiceGroup(services: [gateway], logger: logger))
    await gateway.apply(try fixture.snapshot(1, options: options))
    try await withThrowingDiscardingTaskGroup { group in
      group.addTask { [services = fixture.services] in try? await services.run() }
      group.addTask { await upstream.run() }
      defer { group.cancelAll() }
      try await body(fixture, upstream)
    }
  }

  static func makeAuthority(_ name: String, _ now: Timestamp) throws -> CertificateAuthority {
    let pair = try CertificateAuthority.generate(installation: name, now: now)
    return try CertificateAuthority(certificatePEM: pair.certificate, keyPEM: pair.key)
  }

  private static func selfSigned(
    _ name: String, _ key: P256.Signing.PrivateKey, _ now: Timestamp
  ) throws -> NIOSSLCertificate {
    let signer = Certificate.PrivateKey(key)
    let subject = try DistinguishedName { CommonName(name) }
    let certificate = try Certificate(
      version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: signer.publicKey,
      notValidBefore: CertificateAuthority.date(now - .seconds(60)),
      notValidAfter: CertificateAuthority.date(now + .seconds(3600)), issuer: subject, subject: subject,
      signatureAlgorithm: .ecdsaWithSHA256,
      extensions: try Certificate.Extensions { SubjectAlternativeNames([.dnsName(name)]) }, issuerPrivateKey: signer)
    return try NIOSSLCertificate(bytes: Array(certificate.serializeAsPEM().pemString.utf8), format: .pem)
  }

  // MARK: Ends

  /// Begins the stop of the gateway, as a signal to the daemon does.
  func stop() async { await services.triggerGracefulShutdown() }

  /// Puts the killed state of A in force, as the kill switch does.
  func kill() async throws { await gateway.apply(try snapshot(1_000, killA: true)) }

  /// Returns once no connection of any agent is open and nothing is counted any more; the suite's time limit is the end of
  /// patience.
  func isQuiet(_ upstream: Upstream) async -> Bool {
    await eventually {
      let now = await gateway.statistics()
      return now.openConnections == 0 && now.idleUpstreams == 0 && gateway.countedConnections == 0 && upstream.open == 0
    }
  }

  // MARK: Agents

  func snapshot(
    _ version: UInt64, options: Options = Options(), killA: Bool = false, withA: Bool = true, tokenA: String = Self.tokenA,
    instanceA: String = ""
  ) throws -> EgressSnapshot {
    let ports = [Int(upstreamPort), 80, 443]
    var agents: [EgressAgent] = []
    if withA {
      let rules =
        options.rulesA ?? [
          EgressRule(id: "allowed", host: "allowed.test", ports: ports),
          EgressRule(id: "other", host: "other.test", ports: ports),
          EgressRule(id: "dns", host: "**.names.test", ports: ports),
          EgressRule(id: "address", host: "127.0.0.1", ports: ports),
          EgressRule(id: "metadata", host: "169.254.169.254", ports: ports),
        ]
      agents.append(
        try agent(
          "a", source: "127.0.1.1", instance: instanceA, token: tokenA, rules: rules, bindings: options.bindings ?? [try binding()],
          guardrails: options.guardrails, killed: killA))
    }
    agents.append(
      try agent(
        "b", source: "127.0.1.2", token: Self.tokenB,
        rules: [EgressRule(id: "other", host: "other.test", ports: ports), EgressRule(id: "allowed", host: "allowed.test", ports: ports)],
        bindings: []))
    return try EgressSnapshot(version: version, agents: agents)
  }
}

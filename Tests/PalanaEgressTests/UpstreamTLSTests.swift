import NIOSSL
import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaPolicy
import Testing

@testable import PalanaEgress

/// The family "TLS": an upstream that cannot prove who it is gets no request, and no credential above all.
@Suite(.timeLimit(.minutes(10)))
struct UpstreamTLSTests {
  typealias Options = GatewayFixture.Options

  /// Something that is wrong with the upstream.
  enum Fault: String, CaseIterable {
    case expired, notYetValid, selfSigned, anotherName, addressForName, unknownAuthority, ourAuthority
    case authorityNotConfigured, oldTLS, noTLS, closes, nonsense

    var options: Options {
      var options = Options()
      switch self {
      case .expired: options.certificateAge = .seconds(30 * 86_400)
      case .notYetValid: options.certificateAge = .seconds(-30 * 86_400)
      case .selfSigned: options.certificateAuthority = .itself
      case .anotherName: options.certificate = "other.test"
      case .addressForName: options.certificate = "127.0.0.1"
      case .unknownAuthority: options.certificateAuthority = .stranger
      // Agents trust it; the gateway must not.
      case .ourAuthority: options.certificateAuthority = .ours
      case .authorityNotConfigured: options.trustsUpstreamCA = false
      case .oldTLS: options.newestTLS = .tlsv11
      case .noTLS:
        options.certificate = nil
        options.script = Self.speaksFirst
      case .closes:
        options.certificate = nil
        options.script = Self.closesInTheHandshake
      case .nonsense:
        options.certificate = nil
        options.script = Self.speaksNonsense
      }
      return options
    }

    private static let speaksFirst: Upstream.Script = { wire, _ in
      try await wire.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
      _ = try await wire.rest()
    }
    private static let closesInTheHandshake: Upstream.Script = { wire, _ in _ = try await wire.bytes(5) }
    private static let speaksNonsense: Upstream.Script = { wire, _ in
      try await wire.send([22, 3, 3, 0, 4, 255, 255, 255, 255])
      _ = try await wire.rest()
    }

    /// What the agent and the audit are told.
    var reason: String {
      switch self {
      case .oldTLS, .noTLS, .nonsense: "upstream_protocol_error"
      case .closes: "upstream_unreachable"
      default: "upstream_certificate_invalid"
      }
    }
  }

  @Test(arguments: Fault.allCases)
  func anUpstreamThatCannotBeVerifiedGetsNothing(fault: Fault) async throws {
    try await GatewayFixture.run(fault.options) { fixture, upstream in
      try await fixture.tunnel { wire in
        for _ in 0..<2 {
          try await wire.send(fixture.request("/", "authorization: Bearer \(GatewayFixture.placeholder)"))
          let answer = try await wire.response()
          #expect(answer?.status == 502, "\(fault)")
          #expect(answer?.reason == fault.reason, "\(fault): \(answer?.body ?? "")")
        }
      }
      #expect(upstream.requests.isEmpty)
      #expect(upstream.connections > 0)
      let events = await fixture.sink.events(2)
      #expect(events.map(\.reason) == [fault.reason, fault.reason])
      #expect(events.allSatisfy { $0.decision == .error && $0.response?.status == 502 && $0.bytesSent == 0 })
      #expect(!fixture.sink.text.contains(GatewayFixture.canary))
    }
  }

  @Test func anUpstreamThatHangsInTheHandshakeTimesOut() async throws {
    var options = Options()
    options.certificate = nil
    options.limits.dialTimeout = .milliseconds(200)
    options.limits.resolveTimeout = .milliseconds(200)
    options.script = { wire, _ in _ = try await wire.rest() }
    try await GatewayFixture.run(options) { fixture, upstream in
      let answer = try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/"))
        return try await wire.response()
      }
      #expect(answer?.status == 504)
      #expect(answer?.reason == "upstream_timeout")
      #expect(await fixture.isQuiet(upstream))
    }
  }

  @Test func anUpstreamThatListensNowhere() async throws {
    var options = Options()
    // Nobody listens on this address; the port is that of the upstream.
    options.hosts["allowed.test"] = "127.0.9.9"
    try await GatewayFixture.run(options) { fixture, upstream in
      let answer = try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/"))
        return try await wire.response()
      }
      #expect(answer?.status == 502)
      #expect(answer?.reason == "upstream_unreachable")
      #expect(await fixture.sink.events(1).first?.reason == "upstream_unreachable")
      #expect(upstream.connections == 0)
    }
  }

  @Test(arguments: ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
  func aCertificateFileThatCannotBeReadStopsTheStart(text: String) throws {
    let file = try TemporaryFile(text)
    defer { file.remove() }
    do {
      _ = try UpstreamTLS.context(extraRoots: [file.path])
      Issue.record("the file was taken")
    } catch {
      #expect(error.message.contains(file.path))
    }
  }

  /// A client that does not trust the gateway's authority, as one that pins a certificate.
  @Test func aClientThatPinsFailsPlainly() async throws {
    try await GatewayFixture.run { fixture, upstream in
      let client = try NIOSSLContext(configuration: .makeClientConfiguration())
      try await fixture.client { wire in
        try await wire.send(fixture.connect("allowed.test"))
        #expect(try await wire.head()?.hasPrefix("HTTP/1.1 200 ") == true)
        try await wire.startTLS(client, name: "allowed.test")
        #expect(try await wire.rest() == "")
      }
      let event = try #require(await fixture.sink.events(1).first)
      #expect(event.action == "connect")
      #expect(event.reason == "client_handshake_failed")
      #expect(upstream.connections == 0)
      #expect(await fixture.isQuiet(upstream))
    }
  }
}

import NIOCore
import NIOSSL
import PalanaCore
import PalanaPolicy
import PalanaSecrets
import Testing

@testable import PalanaEgress

/// Token endpoints over real sockets: good, slow, broken and hostile ones, and addresses that may not be dialled.
@Suite(.timeLimit(.minutes(10)))
struct TokenEndpointTests {
  private static let agent = Result { AgentID(owner: try UserIdentity("alice@example.com"), name: try ResourceName("a")) }

  /// Runs an endpoint with a certificate for `certificate`, reached as `auth.test`.
  private static func run(
    _ script: @escaping Upstream.Script, certificate: String? = "auth.test", trusted: Bool = true,
    allowed: [String] = ["127.0.0.0/8"], timeout: Duration = .seconds(30),
    _ body: @Sendable (TokenEndpointClient, UInt16, Upstream) async throws -> Void
  ) async throws {
    let now = WallClock.system.now()
    let roots = try GatewayFixture.makeAuthority("tokens", now)
    let tls = try certificate.map { name in
      try NIOSSLContext(configuration: LeafMint(authority: roots).configuration(for: CanonicalHost.parse(name), now: now))
    }
    let upstream = try await Upstream(tls: tls, script: script)
    let file = try TemporaryFile(roots.certificatePEM)
    defer { file.remove() }
    let client = try TokenEndpointClient(
      configuration: EgressGatewayConfiguration(
        listenAddress: .v4(0x7f00_0001), staticHosts: [try CanonicalHost.parse("auth.test"): .v4(0x7f00_0001)],
        upstreamCAFiles: trusted ? [file.path] : [], addresses: AddressPolicy(allowed: try allowed.map { try CIDR($0) })),
      timeout: timeout)
    try await withThrowingDiscardingTaskGroup { group in
      group.addTask { await upstream.run() }
      group.addTask { try? await client.run() }
      defer { group.cancelAll() }
      try await body(client, upstream.port, upstream)
    }
  }

  private static func request(_ port: UInt16, host: String = "auth.test") throws -> TokenRequest {
    TokenRequest(
      endpoint: try TokenEndpoint("https://\(host):\(port)/token?a=b"), accept: "application/json",
      authorization: Redacted("Basic secret-of-it"), contentType: "application/x-www-form-urlencoded",
      body: Redacted("grant_type=client_credentials"))
  }

  private static func failure(_ body: () async throws -> Void) async -> PalanaError? {
    do { try await body() } catch { return error as? PalanaError }
    return nil
  }

  @Test func asksAndReads() async throws {
    let script: Upstream.Script = { wire, upstream in
      let head = try await wire.head() ?? ""
      upstream.note(head + (try await wire.text(29) ?? ""))
      try await wire.send("HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    }
    try await Self.run(script) { client, port, upstream in
      let answer = try await client.send(Self.request(port), for: Self.agent.get())
      #expect(answer.status == 201 && answer.body.reveal() == Array("abcde".utf8))
      let sent = try #require(upstream.requests.first)
      #expect(sent.hasPrefix("POST /token?a=b HTTP/1.1\r\n") && sent.hasSuffix("\r\n\r\ngrant_type=client_credentials"))
      #expect(sent.contains("host: auth.test:\(port)\r\n") && sent.contains("authorization: Basic secret-of-it\r\n"))
      #expect(sent.contains("content-length: 29\r\n") && sent.contains("accept-encoding: identity\r\n"))
    }
  }

  @Test func redirectsAreNotFollowed() async throws {
    try await Self.run(Upstream.fixed("HTTP/1.1 307 Go\r\nlocation: https://evil.test/\r\ncontent-length: 0\r\n\r\n")) {
      client, port, upstream in
      let answer = try await client.send(Self.request(port), for: Self.agent.get())
      #expect(answer.status == 307)
      #expect(upstream.connections == 1)
    }
  }

  @Test(arguments: [
    "garbage\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
    "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + String(repeating: "x", count: 100_000),
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "",
  ])
  func answersThatCannotBeRead(answer: String) async throws {
    let script: Upstream.Script = { wire, _ in
      _ = try await wire.head()
      try await wire.send(answer)
    }
    try await Self.run(script) { client, port, _ in
      let error = await Self.failure { _ = try await client.send(Self.request(port), for: Self.agent.get()) }
      #expect(error?.code == .unreachable)
      #expect(error?.description.contains("secret-of-it") == false)
    }
  }

  @Test func aSlowEndpointIsGivenUp() async throws {
    let script: Upstream.Script = { wire, _ in
      _ = try await wire.head()
      try await wire.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n")
      _ = try await wire.rest()
    }
    try await Self.run(script, timeout: .milliseconds(300)) { client, port, _ in
      let error = await Self.failure { _ = try await client.send(Self.request(port), for: Self.agent.get()) }
      #expect(error?.code == .unreachable && error?.message.contains("in time") == true)
    }
  }

  @Test(arguments: [("other.test", true), ("auth.test", false)])
  func whomIsNotTrustedIsToldNothing(certificate: String, trusted: Bool) async throws {
    try await Self.run(Upstream.echo, certificate: certificate, trusted: trusted) { client, port, upstream in
      let error = await Self.failure { _ = try await client.send(Self.request(port), for: Self.agent.get()) }
      #expect(error?.code == .failed && error?.message.contains("not trusted") == true, "\(error.debugDescription)")
      #expect(upstream.requests.isEmpty)
    }
  }

  @Test func plainTextIsNotSpoken() async throws {
    // It speaks first, so that nobody has to wait for what never comes.
    let script: Upstream.Script = { wire, upstream in
      try await wire.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
      if let head = try await wire.head() { upstream.note(head) }
    }
    try await Self.run(script, certificate: nil) { client, port, upstream in
      #expect(await Self.failure { _ = try await client.send(Self.request(port), for: Self.agent.get()) } != nil)
      #expect(upstream.requests.isEmpty)
    }
  }

  @Test(arguments: ["auth.test", "169.254.169.254", "127.0.0.1", "10.0.0.1"])
  func addressesOfTheMachineAndItsNetworkAreOutOfReach(host: String) async throws {
    try await Self.run(Upstream.echo, allowed: []) { client, port, upstream in
      let error = await Self.failure { _ = try await client.send(Self.request(port, host: host), for: Self.agent.get()) }
      #expect(error?.code == .denied)
      #expect(upstream.connections == 0)
    }
  }

  @Test func nobodyThere() async throws {
    try await Self.run(Upstream.echo) { client, _, _ in
      // A port that nobody listens on: the one of a listener that is closed again.
      let closed = try await Upstream(tls: nil, script: Upstream.echo)
      let port = closed.port
      await withTaskGroup(of: Void.self) { group in
        group.addTask { await closed.run() }
        group.cancelAll()
      }
      let error = await Self.failure { _ = try await client.send(Self.request(port), for: Self.agent.get()) }
      #expect(error?.code == .unreachable)
    }
  }
}

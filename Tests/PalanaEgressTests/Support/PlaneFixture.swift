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

/// A running data plane, of whatever make, with two agents and an upstream: A at 127.0.1.1 with a secret, B at 127.0.1.2.
protocol PlaneFixture: Sendable {
  /// Where agents reach it, at 127.0.0.1.
  var port: Int { get }
  var sink: RecordingSink { get }
  var secrets: FakeSecrets { get }
  /// What clients trust.
  var clientTLS: NIOSSLContext { get }
  var upstreamPort: UInt16 { get }
  var plane: any EgressDataPlane { get }
}

extension PlaneFixture {
  static var canary: String { "canary-7f3a9c-s3cr3t-value" }
  static var placeholder: String { "TOKEN_GITHUB_PAT" }
  static var tokenA: String { "token-of-agent-a" }
  static var tokenB: String { "token-of-agent-b" }

  /// Waits until `condition` holds, by asking again and again.
  /// - Returns: false when the test was ended before.
  func eventually(_ condition: () async -> Bool) async -> Bool {
    while !Task.isCancelled {
      if await condition() { return true }
      // A turn of every event loop: the condition depends on what happens there.
      _ = await plane.statistics()
      await Task.yield()
    }
    return false
  }

  /// The events of requests, without those about connections that were closed at the door.
  var requestEvents: [AuditEvent] { sink.events.filter { $0.action != "connection" } }

  // MARK: Agents

  func agent(
    _ name: String, source: String, instance: String = "", token: String, rules: [EgressRule], bindings: [PlaceholderBinding],
    guardrails: [any Guardrail] = [], killed: Bool = false
  ) throws -> EgressAgent {
    let owner = try UserIdentity("alice@example.com")
    let resource = try ResourceName(name)
    return EgressAgent(
      subject: PolicySubject(
        id: AgentID(owner: owner, name: resource), name: resource, owner: owner, template: nil, labels: [:]),
      source: try #require(IPAddress(source)), instance: instance, proxyToken: Redacted(token),
      decisions: DecisionCore(rules: try CompiledRules([RuleSource(name: "agent", rules: rules)]), guardrails: guardrails),
      bindings: bindings, isKilled: killed)
  }

  static var idA: AgentID {
    get throws { AgentID(owner: try UserIdentity("alice@example.com"), name: try ResourceName("a")) }
  }

  func binding(
    _ placeholder: String = Self.placeholder, key: String = "token", host: String = "allowed.test", port: UInt16? = nil,
    places: Set<PlaceholderBinding.Place> = [.header("authorization"), .basic], scheme: EgressRequest.Scheme = .https,
    revision: Int = 1
  ) throws -> PlaceholderBinding {
    PlaceholderBinding(
      placeholder: placeholder, secretName: "GITHUB_PAT",
      ref: SecretRef(
        path: SecretPath(
          area: .proxySecrets, owner: try UserIdentity("alice@example.com"), agent: try ResourceName("a"), secret: "GITHUB_PAT"),
        key: key),
      destinations: [BoundDestination(host: try HostPattern.parse(host), port: port ?? upstreamPort, scheme: scheme)],
      places: places, revision: revision)
  }

  // MARK: Clients

  static func basic(_ token: String) -> String {
    "Basic " + String(decoding: Base64.encode(Array("agent:\(token)".utf8)), as: UTF8.self)
  }

  /// A connection of an agent to the gateway.
  /// - Parameter other: another of its ports than the proxy's.
  func client<Result: Sendable>(
    from source: String = "127.0.1.1", to other: Int? = nil, _ body: (inout Wire) async throws -> Result
  ) async throws -> Result {
    let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .bind(to: SocketAddress(ipAddress: source, port: 0))
      .connect(host: "127.0.0.1", port: other ?? port) { channel in
        channel.eventLoop.makeCompletedFuture {
          try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
        }
      }
    return try await channel.executeThenClose { inbound, outbound in
      var wire = Wire(channel.channel, inbound, outbound)
      return try await body(&wire)
    }
  }

  /// The text of a CONNECT request.
  func connect(_ host: String, port: UInt16? = nil, token: String? = Self.tokenA) -> String {
    let authority = "\(host):\(port ?? upstreamPort)"
    let proof = token.map { "proxy-authorization: \(Self.basic($0))\r\n" } ?? ""
    return "CONNECT \(authority) HTTP/1.1\r\nhost: \(authority)\r\n\(proof)\r\n"
  }

  /// A connection of agent A with an open tunnel, TLS inside.
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

  /// The text of a plain request to the proxy.
  func plain(
    _ target: String = "/", method: String = "GET", host: String = "allowed.test", _ fields: String...
  ) -> String {
    let lines = fields.map { $0 + "\r\n" }.joined()
    return "\(method) http://\(host):\(upstreamPort)\(target) HTTP/1.1\r\nhost: \(host):\(upstreamPort)\r\n"
      + "proxy-authorization: \(Self.basic(Self.tokenA))\r\n\(lines)\r\n"
  }

  /// The text of a request inside a tunnel.
  func request(
    _ target: String = "/", method: String = "GET", host: String = "allowed.test", _ fields: String...
  ) -> String {
    let lines = fields.map { $0 + "\r\n" }.joined()
    return "\(method) \(target) HTTP/1.1\r\nhost: \(host):\(upstreamPort)\r\n\(lines)\r\n"
  }

  /// One request through a tunnel of its own.
  func ask(_ text: String, host: String = "allowed.test") async throws -> Response? {
    try await tunnel(host) { wire in
      try await wire.send(text)
      return try await wire.response()
    }
  }
}

import NIOCore
import PalanaAPI
import PalanaAudit
import PalanaPolicy
import Testing

@testable import PalanaEgress

/// The family "Framing", from the agent's side: whatever two parsers could read differently is refused, nothing of it is sent
/// on, and the connection ends.
@Suite(.timeLimit(.minutes(10)))
struct HostileRequestTests {
  typealias Options = GatewayFixture.Options

  private static var plain: Options {
    var options = Options()
    options.certificate = nil
    return options
  }

  /// Fields and what follows the head, of requests that must not pass.
  static let messages: [(fields: String, rest: String, reason: String)] = [
    ("content-length: 5\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\nG", "malformed_request"),
    ("transfer-encoding: chunked\r\ncontent-length: 5\r\n", "0\r\n\r\n", "malformed_request"),
    ("content-length: 5\r\ncontent-length: 5\r\n", "hello", "malformed_request"),
    ("content-length: 5\r\ncontent-length: 6\r\n", "hello", "malformed_request"),
    ("content-length: 5, 5\r\n", "hello", "malformed_request"),
    ("content-length: +5\r\n", "hello", "malformed_request"),
    ("content-length: -1\r\n", "", "malformed_request"),
    ("content-length: 0x5\r\n", "hello", "malformed_request"),
    ("content-length: 5 5\r\n", "hello", "malformed_request"),
    ("content-length: 99999999999999999999\r\n", "", "malformed_request"),
    ("content-length:\r\n", "", "malformed_request"),
    ("content-length : 5\r\n", "hello", "malformed_request"),
    ("content-length\t: 5\r\n", "hello", "malformed_request"),
    ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n", "malformed_request"),
    ("transfer-encoding: chunked, identity\r\n", "0\r\n\r\n", "malformed_request"),
    ("transfer-encoding: identity\r\n", "", "malformed_request"),
    ("transfer-encoding: gzip, chunked\r\n", "0\r\n\r\n", "malformed_request"),
    ("transfer-encoding: xchunked\r\n", "0\r\n\r\n", "malformed_request"),
    ("transfer-encoding: chunked;q=1\r\n", "0\r\n\r\n", "malformed_request"),
    ("transfer-encoding: \u{b}chunked\r\n", "0\r\n\r\n", "malformed_request"),
    ("transfer-encoding:\r\n chunked\r\n", "0\r\n\r\n", "malformed_request"),
    ("x-folded: a\r\n b\r\n", "", "malformed_request"),
    ("x-folded: a\r\n\tb\r\n", "", "malformed_request"),
    (" x-first: folded\r\n", "", "malformed_request"),
    ("x-a: 1\nx-b: 2\r\n", "", "malformed_request"),
    ("x-a: 1\n", "", "malformed_request"),
    ("x-a: 1\rx-b: 2\r\n", "", "malformed_request"),
    ("x-nul: a\u{0}b\r\n", "", "malformed_request"),
    ("x-bell: \u{7}\r\n", "", "malformed_request"),
    ("x-del: \u{7f}\r\n", "", "malformed_request"),
    ("x nul: a\r\n", "", "malformed_request"),
    ("x-näme: a\r\n", "", "malformed_request"),
    ("no colon\r\n", "", "malformed_request"),
    (": empty\r\n", "", "malformed_request"),
    ("expect: 200-ok\r\n", "", "malformed_request"),
    ("connection: host\r\n", "", "malformed_request"),
    ("connection: close, Authorization\r\n", "", "malformed_request"),
    ("connection: transfer-encoding\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n", "malformed_request"),
    ("transfer-encoding: chunked\r\n", "z\r\n", "malformed_request"),
    ("transfer-encoding: chunked\r\n", "\r\n", "malformed_request"),
    ("transfer-encoding: chunked\r\n", "-1\r\n", "malformed_request"),
    ("transfer-encoding: chunked\r\n", "0x1\r\na\r\n0\r\n\r\n", "malformed_request"),
    ("transfer-encoding: chunked\r\n", "10000000000000000\r\n", "malformed_request"),
    ("transfer-encoding: chunked\r\n", "ffffffffffffffffffff\r\n", "malformed_request"),
    ("transfer-encoding: chunked\r\n", "0000000000000001\r\na\r\n0\r\n\r\n", "malformed_request"),
    ("transfer-encoding: chunked\r\n", "1\na\r\n0\r\n\r\n", "malformed_request"),
    ("transfer-encoding: chunked\r\n", "1 \r\na\r\n0\r\n\r\n", "malformed_request"),
    ("transfer-encoding: chunked\r\n", "1;a\nb\r\na\r\n0\r\n\r\n", "malformed_request"),
    ("transfer-encoding: chunked\r\n", "1\r\naa\r\n0\r\n\r\n", "malformed_request"),
    ("transfer-encoding: chunked\r\n", "1\r\na\n0\r\n\r\n", "malformed_request"),
    ("transfer-encoding: chunked\r\n", "0\r\n folded: 1\r\n\r\n", "malformed_request"),
    ("transfer-encoding: chunked\r\n", "0\r\nx: a\nb\r\n\r\n", "malformed_request"),
    ("transfer-encoding: chunked\r\n", "0\r\n\n", "malformed_request"),
    (String(repeating: "x-many: 1\r\n", count: 129), "", "headers_too_large"),
    ("x-long: \(String(repeating: "a", count: 65_536))\r\n", "", "headers_too_large"),
    ("\(String(repeating: "a", count: 70_000)): x\r\n", "", "headers_too_large"),
    ("transfer-encoding: chunked\r\n", "1;" + String(repeating: "e", count: 70_000) + "\r\na\r\n0\r\n\r\n", "headers_too_large"),
    ("transfer-encoding: chunked\r\n", "0\r\nx: " + String(repeating: "e", count: 70_000) + "\r\n\r\n", "headers_too_large"),
  ]

  @Test func aMalformedMessageEndsTheConnection() async throws {
    // The echo would answer what is smuggled.
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: allowed.test\r\n\r\n"
    try await GatewayFixture.run(Self.plain) { fixture, upstream in
      for (index, row) in Self.messages.enumerated() {
        let shown = "\(row.fields.prefix(60)) \(row.rest.prefix(40))"
        let text = try await fixture.client { wire in
          let head = fixture.plain("/row\(index)", method: "POST")
          try await wire.send(String(head.dropLast()) + row.fields + "\r\n" + row.rest + smuggled)
          return try await wire.rest()
        }
        let status = row.reason == "headers_too_large" ? 431 : 400
        #expect(text.hasPrefix("HTTP/1.1 \(status) "), "\(shown): \(text.prefix(200))")
        #expect(text.contains("\"reason\":\"\(row.reason)\""), "\(shown)")
        #expect(text.components("HTTP/1.1 ") == 1, "\(shown)")
        let events = await fixture.sink.events(index + 1)
        #expect(events.count == index + 1, "\(shown)")
        #expect(events.last?.reason == row.reason, "\(shown)")
      }
      #expect(!upstream.requests.contains { $0.contains("smuggled") })
      // A head that is refused sends nothing on; a body that turns out to be malformed was begun, and never ended.
      #expect(upstream.requests.allSatisfy { $0.contains("transfer-encoding: chunked\r\n") })
      #expect(await fixture.isQuiet(upstream))
    }
  }

  static let lines: [String] = [
    "GET  / HTTP/1.1", "GET /\tHTTP/1.1", "GET / HTTP/1.1 ", "GET / HTTP/1.2", "GET / HTTP/2.0", "GET / http/1.1", "GET /",
    "GET / HTTP/11", "GET /a b HTTP/1.1", " GET / HTTP/1.1", "G@T / HTTP/1.1", "GET /\u{0} HTTP/1.1", "GET /ä HTTP/1.1",
    "GET /# HTTP/1.1", "GET / HTTP/1.1\r", "GET a HTTP/1.1", "GET ../ HTTP/1.1", "GET /.. HTTP/1.1", "GET /%2e%2e/ HTTP/1.1",
    "GET /\\ HTTP/1.1", "GET /%5c HTTP/1.1", "GET /%00 HTTP/1.1", "GET /%zz HTTP/1.1", "GET * HTTP/1.1", "GET ?a HTTP/1.1",
    "PRI * HTTP/2.0", "", "\u{16}\u{3}\u{1}", String(repeating: "A", count: 33) + " / HTTP/1.1",
  ]

  @Test func aMalformedRequestLineInATunnelEndsIt() async throws {
    try await GatewayFixture.run { fixture, upstream in
      for (index, line) in Self.lines.enumerated() {
        let text = try await fixture.tunnel { wire in
          try await wire.send("\(line)\r\nhost: allowed.test:\(upstream.port)\r\n\r\n" + fixture.request("/smuggled"))
          return try await wire.rest()
        }
        #expect(text.hasPrefix("HTTP/1.1 400 "), "‘\(line)’: \(text.prefix(100))")
        #expect(text.contains("malformed_request"), "‘\(line)’")
        #expect(text.components("HTTP/1.1 ") == 1, "‘\(line)’")
        #expect(await fixture.sink.events(index + 1).count == index + 1)
      }
      #expect(upstream.requests.isEmpty)
    }
  }

  @Test func aTargetThatIsTooLong() async throws {
    try await GatewayFixture.run { fixture, upstream in
      let answer = try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/" + String(repeating: "a", count: 33_000)))
        return try await wire.response()
      }
      #expect(answer?.status == 431)
      #expect(answer?.reason == "headers_too_large")
      #expect(upstream.connections == 0)
    }
  }

  // MARK: CONNECT

  @Test func connectHasNoBodyAndNoSecondTunnel() async throws {
    try await GatewayFixture.run { fixture, upstream in
      for field in ["content-length: 5", "transfer-encoding: chunked", "content-length: 0"] {
        let text = try await fixture.client { wire in
          try await wire.send(String(fixture.connect("allowed.test").dropLast()) + field + "\r\n\r\nhello")
          return try await wire.rest()
        }
        #expect(text.hasPrefix("HTTP/1.1 400 "), "\(field)")
      }
      try await fixture.tunnel { wire in
        try await wire.send(fixture.connect("allowed.test"))
        let answer = try await wire.response()
        #expect(answer?.status == 403)
        #expect(answer?.reason == "protocol_not_supported")
        #expect(try await wire.rest() == "")
      }
      // Lower case is the same method here, and no other one there.
      let lower = try await fixture.tunnel { wire in
        try await wire.send(fixture.connect("allowed.test").replacing("CONNECT", with: "connect"))
        return try await wire.response()
      }
      #expect(lower?.reason == "protocol_not_supported")
      #expect(upstream.connections == 0)
    }
  }

  @Test(arguments: [
    "SSH-2.0-OpenSSH_9\r\n", "GET / HTTP/1.1\r\nhost: allowed.test\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "\u{16}\u{2}\u{0}\u{0}\u{5}hello", "\u{16}\u{3}\u{1}\u{0}\u{0}", "\u{16}\u{3}\u{1}\u{0}\u{4}\u{2}\u{0}\u{0}\u{0}", "\u{80}\u{2e}",
  ])
  func somethingElseThanTLSInATunnel(first: String) async throws {
    try await GatewayFixture.run { fixture, upstream in
      try await fixture.client { wire in
        try await wire.send(fixture.connect("allowed.test"))
        #expect(try await wire.head()?.hasPrefix("HTTP/1.1 200 ") == true)
        try await wire.send(first)
        #expect(try await wire.rest() == "")
      }
      let events = await fixture.sink.events(1)
      #expect(events.map(\.reason) == ["protocol_not_supported"])
      #expect(events.map(\.action) == ["connect"])
      #expect(upstream.connections == 0)
      #expect(await fixture.isQuiet(upstream))
    }
  }

  @Test func bytesThatFollowConnectAtOnceAreTheHandshake() async throws {
    // Sent before the answer to CONNECT: no way around the policy.
    try await GatewayFixture.run { fixture, upstream in
      let text = try await fixture.client { wire in
        try await wire.send(fixture.connect("evil.test") + fixture.plain("/queued", host: "evil.test"))
        return try await wire.response()
      }
      #expect(text?.reason == "host_not_allowed")
      #expect(upstream.connections == 0)
    }
  }

  // MARK: Many on one connection

  @Test func pipelinedRequestsAreDecidedOneByOne() async throws {
    try await GatewayFixture.run { fixture, upstream in
      var options = Options()
      options.rulesA = [EgressRule(host: "allowed.test", ports: [Int(upstream.port)], methods: ["GET"], paths: ["/ok/*"])]
      await fixture.gateway.apply(try fixture.snapshot(2, options: options))
      try await fixture.tunnel { wire in
        let targets = ["/ok/1", "/no/2", "/ok/3", "/ok/4/5", "/ok/6"]
        try await wire.send(
          targets.map { fixture.request($0) }.joined() + fixture.request("/ok/7", method: "DELETE") + fixture.request("/ok/8"))
        for status in [200, 403, 200, 403, 200, 403, 200] { #expect(try await wire.response()?.status == status) }
      }
      #expect(upstream.requests.map { $0.prefix(9) } == ["GET /ok/1", "GET /ok/3", "GET /ok/6", "GET /ok/8"])
      let events = await fixture.sink.events(7)
      #expect(events.map(\.decision) == [.allow, .deny, .allow, .deny, .allow, .deny, .allow])
      #expect(
        events.compactMap(\.reason) == ["path_not_allowed", "path_not_allowed", "method_not_allowed"])
    }
  }

  @Test func oldClients() async throws {
    try await GatewayFixture.run(Self.plain) { fixture, upstream in
      let old = try await fixture.client { wire in
        try await wire.send(fixture.plain().replacing("HTTP/1.1", with: "HTTP/1.0") + fixture.plain("/second"))
        return try await wire.rest()
      }
      #expect(old.hasPrefix("HTTP/1.1 200 "))
      #expect(old.contains("connection: close\r\n"))
      #expect(!old.contains("/second"))
      #expect(upstream.requests.count == 1)
    }
  }

  @Test func aSlowHeadTimesOut() async throws {
    var options = Options()
    options.limits.headTimeout = .milliseconds(100)
    options.limits.tick = .milliseconds(20)
    try await GatewayFixture.run(options) { fixture, upstream in
      let answer = try await fixture.client { wire in
        try await wire.send("GET http://allo")
        return try await wire.response()
      }
      #expect(answer?.status == 408)
      #expect(answer?.reason == "request_timeout")
      try await fixture.tunnel { wire in
        try await wire.send("GET /slow HT")
        #expect(try await wire.response()?.status == 408)
      }
      #expect(await fixture.sink.events(2).map(\.reason) == ["request_timeout", "request_timeout"])
    }
  }
}

extension String {
  /// How often `part` stands in it.
  func components(_ part: String) -> Int { split(separator: part, omittingEmptySubsequences: false).count - 1 }
}

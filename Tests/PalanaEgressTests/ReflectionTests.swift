import PalanaAPI
import PalanaCore
import PalanaPolicy
import PalanaSecrets
import Testing

@testable import PalanaEgress

/// The family "Credentials", on the way back: what an upstream repeats of a credential arrives as stars.
@Suite(.timeLimit(.minutes(10)))
struct ReflectionTests {
  /// Where an upstream may write what it got.
  static let answers: [String] = [
    "HTTP/1.1 200 \(GatewayFixture.canary)\r\ncontent-length: 2\r\n\r\nok",
    "HTTP/1.1 401 no \(GatewayFixture.canary) here\r\ncontent-length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nx-echo: \(GatewayFixture.canary)\r\ncontent-length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\n\(GatewayFixture.canary): x\r\ncontent-length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nx-\(GatewayFixture.canary)-y: \(GatewayFixture.canary)\r\ncontent-length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nset-cookie: a=\(GatewayFixture.canary); path=/\r\ncontent-length: 2\r\n\r\nok",
    "HTTP/1.1 302 Found\r\nlocation: https://evil.test/?\(GatewayFixture.canary)\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 103 \(GatewayFixture.canary)\r\nlink: <\(GatewayFixture.canary)>\r\n\r\n"
      + "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\ncontent-length: \(GatewayFixture.canary.utf8.count)\r\n\r\n\(GatewayFixture.canary)",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
      + "d\r\n\(GatewayFixture.canary.prefix(13))\r\nd\r\n\(GatewayFixture.canary.suffix(13))\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;\(GatewayFixture.canary)\r\nok\r\n0\r\nx: \(GatewayFixture.canary)\r\n\r\n",
  ]

  @Test(arguments: answers)
  func whatComesBackIsMasked(_ answer: String) async throws {
    var options = GatewayFixture.Options()
    options.script = Upstream.fixed(answer)
    try await GatewayFixture.run(options) { fixture, upstream in
      let all = try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/", "authorization: Bearer \(GatewayFixture.placeholder)", "connection: close"))
        return try await wire.rest()
      }
      #expect(all.hasPrefix("HTTP/1.1 "))
      #expect(all.hasSuffix("\r\n\r\n") || all.hasSuffix("ok") || all.hasSuffix("***"))
      #expect(!all.contains("7f3a9c") && !all.contains("s3cr3t"), "\(all)")
      #expect(upstream.requests.first?.contains(GatewayFixture.canary) == true)
    }
  }

  /// One value is the beginning of the other: the end of the longer one must not be left.
  @Test func theLongerValueIsMaskedWhole() async throws {
    var options = GatewayFixture.Options()
    let long = GatewayFixture.canary + "-and-more-of-it"
    options.script = Upstream.fixed("HTTP/1.1 200 OK\r\nx-echo: \(long)\r\ncontent-length: \(long.utf8.count)\r\n\r\n\(long)")
    try await GatewayFixture.run(options) { fixture, upstream in
      fixture.secrets.set("long", long)
      let agent = try fixture.agent(
        "a", source: "127.0.1.1", token: GatewayFixture.tokenA,
        rules: [EgressRule(id: "allowed", host: "allowed.test", ports: [Int(fixture.upstreamPort)])],
        bindings: [
          try fixture.binding(places: [.header("authorization")]),
          try fixture.binding("TOKEN_LONGER", key: "long", places: [.header("x-other")]),
        ])
      await fixture.gateway.apply(try EgressSnapshot(version: 2, agents: [agent]))
      let all = try await fixture.tunnel { wire in
        try await wire.send(
          fixture.request(
            "/", "authorization: \(GatewayFixture.placeholder)", "x-other: TOKEN_LONGER", "connection: close"))
        return try await wire.rest()
      }
      #expect(all.contains("****") && !all.contains("and-more-of-it"), "\(all)")
    }
  }

  /// A Basic credential behind a tab is one for many servers: its placeholder is replaced too, and does not travel on.
  @Test(arguments: [" ", "  ", "\t", " \t"])
  func basicIsReadWithAnySpace(_ space: String) async throws {
    try await GatewayFixture.run { fixture, upstream in
      let marked = String(decoding: Base64.encode(Array("u:\(GatewayFixture.placeholder)".utf8)), as: UTF8.self)
      let real = String(decoding: Base64.encode(Array("u:\(GatewayFixture.canary)".utf8)), as: UTF8.self)
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/", "authorization: Basic\(space)\(marked)"))
        #expect(try await wire.response()?.status == 200)
      }
      let request = try #require(upstream.requests.first)
      #expect(request.contains("Basic \(real)\r\n") && !request.contains(marked))
    }
  }
}

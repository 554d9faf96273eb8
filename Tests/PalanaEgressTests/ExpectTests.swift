import NIOCore
import PalanaAPI
import PalanaAudit
import Testing

@testable import PalanaEgress

/// `Expect: 100-continue` (RFC 9110 §10.1.1) in all pairs of protocols, and what is refused before the body.
@Suite(.timeLimit(.minutes(10)))
struct ExpectTests {
  private static let post: [(String, String)] = [("expect", "100-continue"), ("content-length", "5")]

  /// Says to continue, unless the path is `/no`, and answers with the body.
  private static let http1: Upstream.Script = { wire, upstream in
    while let head = try await wire.head() {
      upstream.note(head)
      guard !head.hasPrefix("POST /no ") else {
        return try await wire.send("HTTP/1.1 417 Expectation Failed\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
      }
      try await wire.send("HTTP/1.1 100 Continue\r\n\r\n")
      let body = try await wire.text(5) ?? ""
      try await wire.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n\(body)")
    }
  }

  private static let http2: HTTP2UpstreamTests.Answer = { wire, stream, fields in
    #expect(fields["expect"] == "100-continue")
    guard fields[":path"] != "/no" else { return try await wire.headers([(":status", "417")], stream) }
    try await wire.headers([(":status", "100")], stream, ends: false)
    let body = try await wire.answer(stream).body
    try await wire.headers([(":status", "200")], stream, ends: false)
    try await wire.data(body, stream, ends: true)
  }

  private static func options(_ isHTTP2: Bool) -> GatewayFixture.Options {
    if isHTTP2 { return HTTP2UpstreamTests.options(protocols: ["h2"], http2) }
    var options = GatewayFixture.Options()
    options.script = http1
    return options
  }

  @Test(arguments: [false, true])
  func aClientOfHTTP2(upstreamIsHTTP2: Bool) async throws {
    try await GatewayFixture.run(Self.options(upstreamIsHTTP2)) { fixture, upstream in
      try await fixture.http2 { wire in
        try await wire.headers(fixture.fields("/yes", method: "POST") + Self.post, 1, ends: false)
        let told = try await wire.answer(1) { !$0.heads.isEmpty }
        #expect(told.status == 100)
        #expect(told.count == 0)
        try await wire.data("hello", 1, ends: true)
        let answer = try await wire.answer(1)
        #expect(answer.status == 200)
        #expect(answer.body == "hello")
        try await wire.headers(fixture.fields("/no", method: "POST") + Self.post, 3, ends: false)
        let refused = try await wire.answer(3)
        #expect(refused.heads.map { $0.first?.value } == ["417"])
      }
      #expect(await fixture.sink.events(2).map(\.response?.status) == [200, 417])
    }
  }

  @Test func aClientOfHTTP1WithAnUpstreamOfHTTP2() async throws {
    try await GatewayFixture.run(Self.options(true)) { fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/yes", method: "POST", "expect: 100-continue", "content-length: 5"))
        #expect(try await wire.response()?.status == 100)
        try await wire.send("hello")
        #expect(try await wire.response()?.body == "hello")
        try await wire.send(fixture.request("/no", method: "POST", "expect: 100-continue", "content-length: 5"))
        #expect(try await wire.response()?.status == 417)
        // The body that was not sent must not be taken for a request.
        #expect(try await wire.rest() == "")
      }
    }
  }

  @Test func whatIsRefusedIsNotAskedForItsBody() async throws {
    try await GatewayFixture.run(Self.options(false)) { fixture, upstream in
      var options = GatewayFixture.Options()
      options.rulesA = [EgressRule(host: "allowed.test", ports: [Int(upstream.port)], methods: ["GET"])]
      await fixture.gateway.apply(try fixture.snapshot(2, options: options))
      try await fixture.http2 { wire in
        try await wire.headers(fixture.fields("/", method: "POST") + Self.post, 1, ends: false)
        let answer = try await wire.answer(1)
        #expect(answer.heads.count == 1)
        #expect(answer.reason == "method_not_allowed")
      }
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/", method: "POST", "expect: 100-continue", "content-length: 5"))
        #expect(try await wire.response()?.reason == "method_not_allowed")
        #expect(try await wire.rest() == "")
      }
      #expect(upstream.requests.isEmpty)
    }
  }

  // MARK: HTTP/1.0

  /// As the standard library of Python asks: HTTP/1.0, and no Host field.
  @Test func connectInHTTP10() async throws {
    try await GatewayFixture.run { fixture, upstream in
      let line = "CONNECT allowed.test:\(upstream.port) HTTP/1.0\r\n"
      let head = try await fixture.client { wire in
        try await wire.send(line + "\r\n")
        return try await wire.rest()
      }
      #expect(head.hasPrefix("HTTP/1.1 407 "))
      #expect(head.contains("connection: close\r\n"))
      let answer = try await fixture.client { wire in
        try await wire.send(line + "Proxy-Authorization: \(GatewayFixture.basic(GatewayFixture.tokenA))\r\n\r\n")
        #expect(try await wire.head()?.hasPrefix("HTTP/1.1 200 ") == true)
        try await wire.startTLS(fixture.clientTLS, name: "allowed.test")
        // The tunnel has nothing of HTTP/1.0: its requests are their own.
        try await wire.send(fixture.request("/one"))
        #expect(try await wire.response()?.status == 200)
        try await wire.send(fixture.request("/two"))
        return try await wire.response()
      }
      #expect(answer?.body.hasPrefix("GET /two HTTP/1.1\r\n") == true)
    }
  }
}

import NIOCore
import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaPolicy
import PalanaSecrets
import Synchronization
import Testing

@testable import PalanaEgress

/// The family "Credentials", outbound: the real value of a secret, of any agent, in a request that should not hold it.
@Suite(.timeLimit(.minutes(10)))
struct LeakTests {
  private static let canary = GatewayFixture.canary

  private static func base64(_ text: String) -> String { String(decoding: Base64.encode(Array(text.utf8)), as: UTF8.self) }

  private static func percent(_ text: String) -> String {
    text.utf8.map { "%" + String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
  }

  /// Target and field of a request.
  static let places: [(String, String)] = [
    ("/\(canary)", "x: y"), ("/a/\(canary)/b", "x: y"), ("/?q=\(canary)", "x: y"), ("/?\(canary)", "x: y"),
    ("/\(percent(canary))", "x: y"), ("/?q=%63" + canary.dropFirst(), "x: y"), ("/?q=%2563" + canary.dropFirst(), "x: y"),
    ("/?q=" + base64("x" + canary), "x: y"), ("/", "x-any: \(canary)"), ("/", "x-\(canary): y"),
    ("/", "authorization: Bearer \(canary)"), ("/", "authorization: Basic \(base64("user:\(canary)"))"),
    ("/", "authorization: Basic \(base64("\(canary):x"))"), ("/", "cookie: a=b; session=\(canary)"),
    ("/", "x-any: \(percent(canary))"), ("/", "x-any: " + canary.utf8.map { String($0, radix: 16) }.joined()),
    ("/", "x-json: {\"a\":\"" + canary.utf8.map { "\\u00" + String($0, radix: 16) }.joined() + "\"}"),
    ("/", "proxy-x: \(canary)"), ("/", "referer: https://allowed.test/?t=\(canary)"),
  ]

  @Test func inTheHead() async throws {
    try await GatewayFixture.run { fixture, upstream in
      for (target, field) in Self.places {
        for host in ["allowed.test", "other.test"] {
          try await fixture.tunnel(host) { wire in
            try await wire.send(fixture.request(target, host: host, field))
            let response = try #require(try await wire.response())
            #expect(response.status == 403 && response.reason == "secret_leak", "\(target) \(field)")
            // What the agent is told helps it with nothing.
            #expect(!response.body.contains("GITHUB_PAT") && !response.body.contains("alice"))
          }
        }
      }
      #expect(upstream.requests.isEmpty)
      let events = fixture.requestEvents
      #expect(events.count == 2 * Self.places.count)
      for event in events {
        #expect(event.severity == .critical && event.decision == .deny && event.reason == "secret_leak")
        #expect(event.details == ["secret": "GITHUB_PAT", "secretAgent": "a", "secretOwner": "alice@example.com"])
        #expect(event.request?.path == nil)
      }
    }
  }

  @Test func inTheAuthorityOfATunnel() async throws {
    try await GatewayFixture.run { fixture, _ in
      try await fixture.client { wire in
        try await wire.send(fixture.connect("\(Self.canary).names.test"))
        #expect(try await wire.response()?.reason == "secret_leak")
      }
      let event = try #require(fixture.requestEvents.first)
      #expect(event.severity == .critical && event.request?.host == nil)
    }
  }

  @Test func throughPlainHTTP() async throws {
    var options = GatewayFixture.Options()
    options.certificate = nil
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.client { wire in
        try await wire.send(fixture.plain("/?\(Self.canary)"))
        #expect(try await wire.response()?.reason == "secret_leak")
      }
      #expect(upstream.requests.isEmpty)
    }
  }

  /// Everything that upstreams got of bodies.
  private final class Received: Sendable {
    let bytes = Mutex<[UInt8]>([])
    var text: String { String(decoding: bytes.withLock { $0 }, as: UTF8.self) }
  }

  private static func recording(_ received: Received) -> Upstream.Script {
    { wire, upstream in
      guard let head = try await wire.head() else { return }
      upstream.note(head)
      while let bytes = try await wire.some() { received.bytes.withLock { $0 += bytes.readableBytesView } }
    }
  }

  /// The byte that completes a value never leaves, wherever the value is cut.
  @Test(arguments: [true, false])
  func inABodyCutAnywhere(_ isChunked: Bool) async throws {
    let received = Received()
    var options = GatewayFixture.Options()
    options.script = Self.recording(received)
    try await GatewayFixture.run(options) { fixture, _ in
      let body = "before=1&token=\(Self.canary)&after=2"
      for cut in stride(from: 0, through: body.utf8.count, by: 2) {
        let (first, second) = (String(body.prefix(cut)), String(body.dropFirst(cut)))
        try await fixture.tunnel { wire in
          let framing = isChunked ? "transfer-encoding: chunked" : "content-length: \(body.utf8.count)"
          try await wire.send(fixture.request("/", method: "POST", framing))
          for part in [first, second] where !part.isEmpty {
            try await wire.send(isChunked ? String(part.utf8.count, radix: 16) + "\r\n\(part)\r\n" : part)
          }
          #expect(try await wire.response()?.reason == "secret_leak")
        }
      }
      #expect(!received.text.contains(Self.canary) && !received.text.contains("after"))
      // Of the value itself at most what cannot be told from other text.
      #expect(!received.text.contains("cana"))
      let events = fixture.requestEvents
      #expect(events.allSatisfy { $0.severity == .critical && $0.reason == "secret_leak" })
    }
  }

  @Test func bodiesThatOnlyLookLikeItPass() async throws {
    let received = Received()
    var options = GatewayFixture.Options()
    options.script = { wire, upstream in
      while let head = try await wire.head() {
        upstream.note(head)
        let length = Response(head)["content-length"].flatMap { Int($0) } ?? 0
        if let bytes = try await wire.bytes(length) { received.bytes.withLock { $0 += bytes } }
        try await wire.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
      }
    }
    try await GatewayFixture.run(options) { fixture, _ in
      try await fixture.tunnel { wire in
        var sent = ""
        for length in 0..<Self.canary.utf8.count {
          let body = Self.canary.prefix(length) + "!" + Self.canary.prefix(length)
          try await wire.send(fixture.request("/", method: "POST", "content-length: \(body.utf8.count)") + body)
          #expect(try await wire.response()?.status == 200)
          sent += body
        }
        #expect(received.text == sent)
      }
    }
  }

  /// Another agent's value, which this agent has no right to know at all.
  @Test func ofAnotherAgent() async throws {
    try await GatewayFixture.run { fixture, upstream in
      try await fixture.tunnel("other.test", from: "127.0.1.2", token: GatewayFixture.tokenB) { wire in
        try await wire.send(fixture.request("/?\(Self.canary)", host: "other.test"))
        #expect(try await wire.response()?.reason == "secret_leak")
      }
      #expect(upstream.requests.isEmpty)
      let event = try #require(fixture.requestEvents.first)
      #expect(event.agent?.name == "b" && event.details["secretAgent"] == "a" && event.severity == .critical)
    }
  }

  /// A refusal tells that a guess was right: what is short enough to be guessed is not looked for in what others send.
  @Test(arguments: [("Pa55word-123", true), ("Pa55wor", false)])
  func shortValues(_ value: String, _ isRefusedForItsAgent: Bool) async throws {
    try await GatewayFixture.run { fixture, upstream in
      fixture.secrets.set("token", value)
      await fixture.gateway.apply(try fixture.snapshot(2, withA: false))
      await fixture.gateway.apply(try fixture.snapshot(3))
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/?\(value)"))
        #expect(try await wire.response()?.status == (isRefusedForItsAgent ? 403 : 200))
      }
      try await fixture.tunnel("other.test", from: "127.0.1.2", token: GatewayFixture.tokenB) { wire in
        try await wire.send(fixture.request("/?\(value)", host: "other.test"))
        // The upstream's certificate is another one's; what counts is that the guard let it pass.
        #expect(try await wire.response()?.reason == "upstream_certificate_invalid")
      }
    }
  }

  /// Values that were not in memory are fetched once for their fingerprint, and recognised although they are not kept.
  @Test func valuesThatAreNotInMemory() async throws {
    try await GatewayFixture.run { fixture, upstream in
      fixture.secrets.state.withLock { $0.isCached = false }
      fixture.secrets.set("token", "another-7c1d-value-here")
      await fixture.gateway.apply(try fixture.snapshot(2, withA: false))
      #expect(fixture.gateway.recognisedSecrets == 0)
      await fixture.gateway.apply(try fixture.snapshot(3))
      #expect(await fixture.eventually { fixture.gateway.recognisedSecrets == 1 })
      fixture.secrets.state.withLock { $0.isDown = true }
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/another-7c1d-value-here"))
        #expect(try await wire.response()?.reason == "secret_leak")
      }
      #expect(upstream.requests.isEmpty)
    }
  }

  /// A user name is known to everybody: it may stand anywhere.
  @Test func namesAreNoSecrets() async throws {
    try await GatewayFixture.run { fixture, upstream in
      fixture.secrets.set("username", "alice-the-operator-01")
      let agent = try fixture.agent(
        "a", source: "127.0.1.1", token: GatewayFixture.tokenA,
        rules: [EgressRule(id: "allowed", host: "allowed.test", ports: [Int(fixture.upstreamPort)])],
        bindings: [try fixture.binding(), try fixture.binding("TOKEN_USER", key: "username")])
      await fixture.gateway.apply(try EgressSnapshot(version: 2, agents: [agent]))
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/alice-the-operator-01"))
        let response = try #require(try await wire.response())
        #expect(response.status == 200 && response.body.contains("alice-the-operator-01"))
      }
    }
  }
}

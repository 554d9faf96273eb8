import NIOCore
import PalanaAPI
import PalanaAudit
import PalanaPolicy
import Testing

@testable import PalanaEgress

/// Websockets: judged and given their credential like any request, then bytes in both directions until one side ends it.
@Suite(.timeLimit(.minutes(10)))
struct WebsocketTests {
  private static let switched =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n"
  private static let asks = ["connection: Upgrade", "upgrade: websocket", "sec-websocket-key: k", "sec-websocket-version: 13"]

  /// Switches protocols, then sends every byte back until the other side ends.
  private static let echo: Upstream.Script = { wire, upstream in
    guard let head = try await wire.head() else { return }
    upstream.note(head)
    try await wire.send(switched)
    while let bytes = try await wire.some() { try await wire.send(bytes) }
  }

  private func upgrade(_ fixture: GatewayFixture, _ target: String = "/ws", _ fields: [String] = asks) -> String {
    "GET \(target) HTTP/1.1\r\nhost: allowed.test:\(fixture.upstreamPort)\r\n"
      + fields.map { $0 + "\r\n" }.joined() + "\r\n"
  }

  private func expectOpen(_ wire: inout Wire) async throws {
    let head = try #require(try await wire.head())
    #expect(head.hasPrefix("HTTP/1.1 101 "))
    #expect(Response(head)["sec-websocket-accept"] == "x")
    #expect(Response(head)["upgrade"] == "websocket")
    #expect(Response(head)["connection"] == "upgrade")
  }

  @Test func framesInBothDirections() async throws {
    var options = GatewayFixture.Options()
    options.script = Self.echo
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.tunnel { wire in
        // The first frame leaves with the request, before the answer is known.
        try await wire.send(upgrade(fixture) + "early")
        try await expectOpen(&wire)
        #expect(try await wire.text(5) == "early")
        for number in 0..<50 {
          try await wire.send("frame \(number);")
          #expect(try await wire.text("frame \(number);".utf8.count) == "frame \(number);")
        }
        // Nothing is written down while it is open, except by the counters.
        #expect(fixture.requestEvents.isEmpty)
      }
      let event = try #require(await fixture.sink.events(1).first)
      #expect(event.decision == .allow)
      #expect(event.response?.status == 101)
      #expect(event.request?.protocol == "websocket")
      #expect(event.bytesSent == event.response?.bytes)
      #expect(await fixture.isQuiet(upstream))
      #expect(fixture.requestEvents.count == 1)
    }
  }

  @Test func throughPlainHTTP() async throws {
    var options = GatewayFixture.Options()
    options.certificate = nil
    options.script = Self.echo
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.client { wire in
        try await wire.send(
          fixture.plain("/ws", "connection: Upgrade", "upgrade: websocket", "sec-websocket-key: k"))
        try await expectOpen(&wire)
        try await wire.send("hello")
        #expect(try await wire.text(5) == "hello")
      }
      #expect(await fixture.isQuiet(upstream))
      #expect(fixture.requestEvents.map(\.request?.scheme) == ["http"])
    }
  }

  @Test func aGreatAmountInBothDirectionsAtOnce() async throws {
    let size = 24 << 20
    var options = GatewayFixture.Options()
    options.script = Self.echo
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(upgrade(fixture))
        try await expectOpen(&wire)
        let writer = wire.writer
        async let written: Void = writer.flood(size)
        #expect(try await wire.discard(size) == size)
        try await written
      }
      let event = try #require(await fixture.sink.events(1).first)
      #expect(event.bytesSent == Int64(size))
      #expect(event.response?.bytes == Int64(size))
    }
  }

  @Test func whatTheClientSaidLastArrives() async throws {
    let last = Counter()
    let size = 4 << 20
    var options = GatewayFixture.Options()
    options.script = { wire, upstream in
      guard try await wire.head() != nil else { return }
      try await wire.send(Self.switched)
      last.set(try await wire.discard(size + 100))
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(upgrade(fixture))
        try await expectOpen(&wire)
        // A long message and then the end, without waiting for anything.
        try await wire.flood(size)
      }
      #expect(await fixture.isQuiet(upstream))
      #expect(last.value == size)
      #expect(fixture.requestEvents.map(\.bytesSent) == [Int64(size)])
    }
  }

  @Test func whatTheUpstreamSaidLastArrives() async throws {
    let size = 4 << 20
    var options = GatewayFixture.Options()
    options.script = { wire, upstream in
      guard try await wire.head() != nil else { return }
      try await wire.send(Self.switched)
      try await wire.flood(size)
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(upgrade(fixture))
        try await expectOpen(&wire)
        #expect(try await wire.discard(size) == size)
        #expect(try await wire.rest() == "")
      }
      #expect(await fixture.isQuiet(upstream))
      #expect(fixture.requestEvents.map(\.response?.bytes) == [Int64(size)])
    }
  }

  @Test func theRuleIsAskedBeforeTheUpgrade() async throws {
    var options = GatewayFixture.Options()
    options.script = Self.echo
    try await GatewayFixture.run(options) { fixture, upstream in
      var stricter = GatewayFixture.Options()
      stricter.rulesA = [EgressRule(host: "allowed.test", ports: [Int(upstream.port)], paths: ["/ws/*"])]
      await fixture.gateway.apply(try fixture.snapshot(2, options: stricter))
      try await fixture.tunnel { wire in
        try await wire.send(upgrade(fixture, "/other"))
        #expect(try await wire.response()?.reason == "path_not_allowed")
        try await wire.send(upgrade(fixture, "/ws/a"))
        try await expectOpen(&wire)
      }
      #expect(upstream.requests.count == 1)
      #expect(await fixture.sink.events(2).map(\.decision) == [.deny, .allow])
    }
  }

  @Test func theCredentialStandsInTheUpgradeOnly() async throws {
    var options = GatewayFixture.Options()
    options.script = Self.echo
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(
          upgrade(fixture, "/ws", Self.asks + ["authorization: Bearer \(GatewayFixture.placeholder)"]))
        try await expectOpen(&wire)
        // Frames are not looked into.
        try await wire.send(GatewayFixture.placeholder)
        #expect(try await wire.text(GatewayFixture.placeholder.utf8.count) == GatewayFixture.placeholder)
      }
      #expect(upstream.requests.first?.contains("authorization: Bearer \(GatewayFixture.canary)\r\n") == true)
      #expect(await fixture.sink.events(1).first?.secrets == ["GITHUB_PAT"])
      // A placeholder that may not go there never opens a websocket.
      let answer = try await fixture.tunnel("other.test") { wire in
        try await wire.send(
          "GET /ws HTTP/1.1\r\nhost: other.test:\(upstream.port)\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
            + "authorization: Bearer \(GatewayFixture.placeholder)\r\n\r\n")
        return try await wire.response()
      }
      #expect(answer?.reason == "secret_not_bound")
      #expect(upstream.requests.count == 1)
    }
  }

  @Test func aRefusedUpgradeIsAnOrdinaryResponse() async throws {
    var options = GatewayFixture.Options()
    options.script = { wire, upstream in
      while let head = try await wire.head() {
        upstream.note(head)
        try await wire.send("HTTP/1.1 426 Upgrade Required\r\ncontent-length: 4\r\n\r\nnope")
      }
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.tunnel { wire in
        for _ in 0..<2 {
          try await wire.send(upgrade(fixture))
          let answer = try await wire.response()
          #expect(answer?.status == 426)
          #expect(answer?.body == "nope")
        }
      }
      #expect(upstream.connections == 1)
      #expect(await fixture.sink.events(2).allSatisfy { $0.response?.status == 426 && $0.request?.protocol == "http/1.1" })
    }
  }

  /// Cleartext HTTP/2 and whatever else is never negotiated: the request travels without it.
  @Test func otherUpgradesAreLeftOut() async throws {
    try await GatewayFixture.run { fixture, upstream in
      let rows: [[String]] = [
        ["connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABkAARAAAAA"],
        ["connection: upgrade", "upgrade: TLS/1.2"], ["upgrade: websocket"],
        ["connection: upgrade", "upgrade: websocket, h2c"],
      ]
      for fields in rows {
        let answer = try await fixture.tunnel { wire in
          try await wire.send(upgrade(fixture, "/", fields))
          return try await wire.response()
        }
        #expect(answer?.status == 200, "\(fields)")
        #expect(answer?.body.lowercased().contains("upgrade") == false, "\(fields)")
        #expect(answer?.body.lowercased().contains("http2") == false, "\(fields)")
      }
    }
  }

  @Test func aSwitchThatNobodyAskedForIsRefused() async throws {
    for answer in [Self.switched, "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n"] {
      var options = GatewayFixture.Options()
      options.script = Upstream.fixed(answer)
      try await GatewayFixture.run(options) { fixture, upstream in
        let fields = answer == Self.switched ? [] : Self.asks
        let response = try await fixture.tunnel { wire in
          try await wire.send(upgrade(fixture, "/", fields))
          return try await wire.response()
        }
        #expect(response?.status == 502)
        #expect(response?.reason == "upstream_protocol_error")
        #expect(await fixture.sink.events(1).map(\.reason) == ["upstream_protocol_error"])
        #expect(await fixture.isQuiet(upstream))
      }
    }
  }

  @Test func aStricterPolicyEndsIt() async throws {
    var options = GatewayFixture.Options()
    options.script = Self.echo
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(upgrade(fixture))
        try await expectOpen(&wire)
        var stricter = GatewayFixture.Options()
        stricter.rulesA = [EgressRule(host: "other.test", ports: [Int(upstream.port)])]
        await fixture.gateway.apply(try fixture.snapshot(2, options: stricter))
        #expect(try await wire.rest() == "")
      }
      #expect(await fixture.isQuiet(upstream))
      #expect(fixture.requestEvents.map(\.reason) == ["host_not_allowed"])
    }
  }
}

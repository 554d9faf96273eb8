import NIOCore
import PalanaAPI
import PalanaAudit
import PalanaPolicy
import Testing

@testable import PalanaEgress

/// HTTP/2 of agents, with upstreams that speak HTTP/1.1: each stream is a request like any other.
@Suite(.timeLimit(.minutes(10)))
struct HTTP2Tests {
  typealias Options = GatewayFixture.Options

  @Test func aRequestAndItsCredential() async throws {
    try await GatewayFixture.run { fixture, upstream in
      let answer = try await fixture.http2 { wire in
        try await wire.exchange(
          fixture.fields(
            "/a?b=c", ("authorization", "Bearer \(GatewayFixture.placeholder)"), ("cookie", "a=1"), ("cookie", "b=2"),
            ("x-forwarded-for", "1.2.3.4")), 1)
      }
      #expect(answer.status == 200)
      #expect(answer["x-up"] == "1")
      #expect(answer["content-length"] == "\(answer.count)")
      #expect(!answer.body.contains(GatewayFixture.canary))
      let request = try #require(upstream.requests.first)
      #expect(request.hasPrefix("GET /a?b=c HTTP/1.1\r\nhost: allowed.test:\(upstream.port)\r\n"))
      #expect(request.contains("authorization: Bearer \(GatewayFixture.canary)\r\n"))
      #expect(request.contains("cookie: a=1; b=2\r\n"))
      #expect(!request.contains("1.2.3.4"))
      let event = try #require(await fixture.sink.events(1).first)
      #expect(event.request?.protocol == "http/2")
      #expect(event.secrets == ["GITHUB_PAT"])
      #expect(event.response?.status == 200)
    }
  }

  @Test func manyRequestsOnOneConnection() async throws {
    try await GatewayFixture.run { fixture, upstream in
      try await fixture.http2 { wire in
        for round in 0..<5 {
          let ids = (0..<20).map { UInt32(round * 40 + $0 * 2 + 1) }
          for id in ids { try await wire.headers(fixture.fields("/\(id)"), id) }
          for id in ids.reversed() {
            let answer = try await wire.answer(id)
            #expect(answer.status == 200)
            #expect(answer.body.hasPrefix("GET /\(id) HTTP/1.1\r\n"))
          }
        }
      }
      #expect(await fixture.sink.events(100).count == 100)
      #expect(await fixture.gateway.statistics().tunnels == 1)
    }
  }

  @Test(arguments: [nil, "8"])
  func aBodyWithAndWithoutLength(length: String?) async throws {
    var options = Options()
    options.script = { wire, upstream in
      while let head = try await wire.head() {
        upstream.note(head)
        let count =
          Response(head)["content-length"] == nil ? try await wire.discardChunks() : try await wire.discard(8)
        try await wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n\(count ?? 0)\r\n0\r\n\r\n")
      }
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      let answer = try await fixture.http2 { wire in
        let more = length.map { [("content-length", $0)] } ?? []
        try await wire.headers(fixture.fields("/", method: "POST") + more, 1, ends: false)
        try await wire.data("half", 1)
        try await wire.data("full", 1, ends: true)
        return try await wire.answer(1)
      }
      #expect(answer.status == 200)
      #expect(answer.body == "8")
      #expect(answer["content-length"] == nil)
      let event = try #require(await fixture.sink.events(1).first)
      #expect(event.bytesSent == 8)
      #expect(event.response?.bytes == 1)
    }
  }

  @Test func aRefusalIsAnAnswerAndTheConnectionLivesOn() async throws {
    try await GatewayFixture.run { fixture, upstream in
      var options = Options()
      options.rulesA = [
        EgressRule(id: "some", host: "allowed.test", ports: [Int(upstream.port)], methods: ["GET"], paths: ["/open/**"])
      ]
      await fixture.gateway.apply(try fixture.snapshot(2, options: options))
      try await fixture.http2 { wire in
        let denied = try await wire.exchange(fixture.fields("/closed"), 1)
        #expect(denied.status == 403)
        #expect(denied.reason == "path_not_allowed")
        #expect(denied["content-type"] == "application/json")
        // One with a body that nobody reads: the answer comes, and the client is told to stop.
        try await wire.headers(fixture.fields("/open/a", method: "POST"), 3, ends: false)
        let refused = try await wire.answer(3)
        #expect(refused.status == 403)
        #expect(refused.reason == "method_not_allowed")
        let value1 = try await wire.exchange(fixture.fields("/open/a"), 5).status
        #expect(value1 == 200)
      }
      #expect(await fixture.sink.events(3).map(\.reason) == ["path_not_allowed", "method_not_allowed", nil])
    }
  }

  @Test func anInterimResponseAndAResponseWithoutBody() async throws {
    var options = Options()
    options.script = { wire, upstream in
      while let head = try await wire.head() {
        upstream.note(head)
        if head.hasPrefix("HEAD") {
          try await wire.send("HTTP/1.1 200 OK\r\ncontent-length: 77\r\n\r\n")
        } else {
          try await wire.send("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")
        }
      }
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.http2 { wire in
        let answer = try await wire.exchange(fixture.fields(), 1)
        #expect(answer.heads.map { $0.first?.value } == ["103", "204"])
        let head = try await wire.exchange(fixture.fields("/", method: "HEAD"), 3)
        #expect(head["content-length"] == "77")
        #expect(head.count == 0)
      }
    }
  }

  @Test func anEventStreamPassesAsItComes() async throws {
    let gate = Gate()
    var options = Options()
    options.script = { wire, upstream in
      guard let head = try await wire.head() else { return }
      upstream.note(head)
      try await wire.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n")
      await gate.pass()
      try await wire.send("9\r\ndata: 2\n\n\r\n0\r\n\r\n")
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.http2 { wire in
        try await wire.headers(fixture.fields(), 1)
        #expect(try await wire.answer(1) { !$0.body.isEmpty }.body == "data: 1\n\n")
        gate.open()
        let value2 = try await wire.answer(1).body
        #expect(value2 == "data: 1\n\ndata: 2\n\n")
      }
    }
  }

  @Test func aWebsocket() async throws {
    var options = Options()
    options.script = { wire, upstream in
      guard let head = try await wire.head() else { return }
      upstream.note(head)
      let accept = WebsocketKey.accept(Response(head)["sec-websocket-key"] ?? "")
      try await wire.send(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: \(accept)\r\n\r\n")
      while let bytes = try await wire.some() { try await wire.send(bytes) }
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.http2 { wire in
        var fields = fixture.fields("/ws", method: "CONNECT")
        fields += [(":protocol", "websocket"), ("sec-websocket-version", "13")]
        try await wire.headers(fields, 1, ends: false)
        #expect(try await wire.answer(1) { $0.status != nil }.status == 200)
        try await wire.data("hello", 1)
        #expect(try await wire.answer(1) { $0.count == 5 }.body == "hello")
        try await wire.data("", 1, ends: true)
        let ended1 = try await wire.answer(1)
        #expect(ended1.isComplete)
        // Others go on.
        try await wire.headers(fields, 3, ends: false)
        #expect(try await wire.answer(3) { $0.status != nil }.status == 200)
      }
      let event = try #require(await fixture.sink.events(2).first)
      #expect(event.request?.protocol == "websocket")
      #expect(event.request?.method == "GET")
      #expect(event.decision == .allow)
      #expect(event.bytesSent == 5)
    }
  }

  @Test func aHandshakeThatTheUpstreamGotWrongIsABadGateway() async throws {
    var options = Options()
    options.script = Upstream.fixed(
      "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: x\r\n\r\n")
    try await GatewayFixture.run(options) { fixture, upstream in
      let answer = try await fixture.http2 { wire in
        try await wire.headers(fixture.fields("/ws", method: "CONNECT") + [(":protocol", "websocket")], 1, ends: false)
        return try await wire.answer(1)
      }
      #expect(answer.status == 502)
    }
  }

  // MARK: Backpressure

  private static let endless = 512 << 20

  @Test func aClientThatOpensNoWindowHoldsTheUpstreamUp() async throws {
    let written = Counter()
    var options = Options()
    options.script = { wire, upstream in
      guard let head = try await wire.head() else { return }
      if head.hasPrefix("GET /small") { return try await wire.send("HTTP/1.1 204 No Content\r\n\r\n") }
      try await wire.send("HTTP/1.1 200 OK\r\ncontent-length: \(Self.endless)\r\n\r\n")
      try await wire.flood(Self.endless) { written.set($0) }
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.http2 { wire in
        wire.opensWindows = false
        try await wire.headers(fixture.fields(), 1)
        #expect(try await wire.answer(1) { $0.count == 65_535 }.count == 65_535)
        #expect(await written.stalls(fixture))
        let before = written.value
        #expect(await fixture.gateway.bufferedBytes() < 1 << 20)
        // Another stream is not held up by it.
        try await wire.headers(fixture.fields("/small"), 3)
        let value3 = try await wire.answer(3).status
        #expect(value3 == 204)
        // What was written stands in the system's buffers: after those it goes on.
        wire.opensWindows = true
        try await wire.open(0, by: 65_535)
        try await wire.open(1, by: 65_535)
        let enough = before + (1 << 20)
        #expect(try await wire.answer(1) { $0.count > enough }.count > enough)
        await fixture.gateway.cut([try GatewayFixture.idA])
      }
      #expect(await fixture.isQuiet(upstream))
    }
  }

  @Test func aSlowUpstreamKeepsTheWindowClosed() async throws {
    let gate = Gate()
    var options = Options()
    options.script = { wire, upstream in
      guard let head = try await wire.head() else { return }
      upstream.note(head)
      // Reads nothing more.
      await gate.pass()
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.http2 { wire in
        try await wire.headers(fixture.fields("/", method: "POST"), 1, ends: false)
        let piece = String(repeating: "x", count: 16_384)
        // Settings and the connection's window: that of the stream is narrower.
        _ = try await wire.step()
        _ = try await wire.step()
        var window = EgressLimits().http2.streamWindow
        while true {
          while window >= piece.utf8.count {
            try await wire.data(piece, 1)
            window -= piece.utf8.count
          }
          let opened = try await Self.opened(&wire, fixture)
          guard opened > 0 else { break }
          window += opened
        }
        #expect(await fixture.gateway.bufferedBytes() < 1 << 20)
        await fixture.gateway.cut([try GatewayFixture.idA])
        gate.open()
      }
      #expect(await fixture.isQuiet(upstream))
    }
  }

  /// What the gateway opens of the window of stream 1 before it answers the next ping.
  private static func opened(_ wire: inout HTTP2Wire, _ fixture: GatewayFixture) async throws -> Int {
    // Turns of the event loops, so that what is under way arrives.
    for _ in 0..<20 { _ = await fixture.gateway.statistics() }
    try await wire.send(HTTP2Wire.ping, 0, 0, ByteBuffer(repeating: 1, count: 8))
    var opened = 0
    while let frame = try await wire.step() {
      var payload = frame.payload
      if frame.type == HTTP2Wire.windowUpdate, frame.stream == 1 { opened += Int(payload.readInteger(as: UInt32.self) ?? 0) }
      if frame.type == HTTP2Wire.ping { return opened }
    }
    return opened
  }

  // MARK: Kill and policy

  @Test func aKillCutsEveryStream() async throws {
    var options = Options()
    options.script = { wire, upstream in
      guard let head = try await wire.head() else { return }
      upstream.note(head)
      try await wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
      _ = try await wire.rest()
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.http2 { wire in
        for id in stride(from: UInt32(1), to: 20, by: 2) {
          try await wire.headers(fixture.fields("/\(id)"), id)
          #expect(try await wire.answer(id) { $0.count == 1 }.status == 200)
        }
        try await wire.headers(fixture.fields("/", method: "POST"), 21, ends: false)
        try await fixture.kill()
        await wire.rest()
      }
      #expect(await fixture.isQuiet(upstream))
      #expect(Set(fixture.requestEvents.map(\.reason)) == ["agent_killed"])
      #expect(fixture.requestEvents.count >= 10)
    }
  }

  @Test func aStricterPolicyEndsTheStreamsThatItNoLongerAllows() async throws {
    let gate = Gate()
    var options = Options()
    options.script = { wire, upstream in
      guard let head = try await wire.head() else { return }
      upstream.note(head)
      try await wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
      await gate.pass()
      try await wire.send("0\r\n\r\n")
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.http2 { wire in
        try await wire.headers(fixture.fields("/old"), 1)
        try await wire.headers(fixture.fields("/new"), 3)
        #expect(try await wire.answer(1) { $0.count == 1 }.status == 200)
        #expect(try await wire.answer(3) { $0.count == 1 }.status == 200)
        var stricter = Options()
        stricter.rulesA = [EgressRule(id: "new", host: "allowed.test", ports: [Int(upstream.port)], paths: ["/new"])]
        await fixture.gateway.apply(try fixture.snapshot(2, options: stricter))
        let value4 = try await wire.answer(1).reset
        #expect(value4 == 8)
        gate.open()
        let ended3 = try await wire.answer(3)
        #expect(ended3.isComplete)
        let value5 = try await wire.exchange(fixture.fields("/old"), 5).reason
        #expect(value5 == "path_not_allowed")
      }
      #expect(await fixture.sink.events(3).map(\.reason) == ["path_not_allowed", nil, "path_not_allowed"])
    }
  }
}

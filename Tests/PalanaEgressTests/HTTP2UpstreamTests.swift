import NIOCore
import PalanaAPI
import PalanaAudit
import PalanaPolicy
import Testing

@testable import PalanaEgress

/// Upstreams that speak HTTP/2: shared by the requests of one agent, as little trusted as any other.
@Suite(.timeLimit(.minutes(10)))
struct HTTP2UpstreamTests {
  typealias Options = GatewayFixture.Options
  typealias Answer = @Sendable (inout HTTP2Wire, UInt32, [String: String]) async throws -> Void

  /// An upstream that gives each request, once its head is there, to `answer`.
  static func options(
    protocols: [String] = ["h2", "http/1.1"], settings: [(UInt16, UInt32)] = [], _ answer: @escaping Answer
  ) -> Options {
    var options = Options()
    options.protocols = protocols
    options.script = { wire, upstream in
      var http2 = HTTP2Wire(wire.handOver())
      try await http2.accept(settings)
      while let request = try await http2.request() {
        upstream.note(request.fields.map { "\($0): \($1)\r\n" }.sorted().joined())
        try await answer(&http2, request.stream, request.fields)
      }
    }
    return options
  }

  /// Answers with what it received.
  static let echo: Answer = { wire, stream, fields in
    let body = fields.map { "\($0): \($1)\r\n" }.sorted().joined()
    try await wire.headers([(":status", "200"), ("content-length", "\(body.utf8.count)"), ("x-up", "1")], stream, ends: false)
    try await wire.data(body, stream, ends: true)
  }

  @Test func requestsOfOneAgentShareAConnection() async throws {
    try await GatewayFixture.run(Self.options(Self.echo)) { fixture, upstream in
      try await fixture.http2 { wire in
        let ids = (0..<20).map { UInt32($0 * 2 + 1) }
        for id in ids { try await wire.headers(fixture.fields("/\(id)"), id) }
        for id in ids {
          let answer = try await wire.answer(id)
          #expect(answer.status == 200)
          #expect(answer["content-length"] == "\(answer.count)")
          #expect(answer.body.contains(":path: /\(id)\r\n"))
          #expect(answer.body.contains(":authority: allowed.test:\(upstream.port)\r\n"))
        }
      }
      // A second connection of the same agent on the same event loop would share too; at most one for each loop.
      #expect(upstream.connections == 1)
      #expect(Set(await fixture.sink.events(20).map(\.request?.protocol)) == ["http/2"])
    }
  }

  @Test func agentsShareNothing() async throws {
    var options = Self.options(Self.echo)
    options.threads = 1
    try await GatewayFixture.run(options) { fixture, upstream in
      for (source, token) in [("127.0.1.1", GatewayFixture.tokenA), ("127.0.1.2", GatewayFixture.tokenB)] {
        let answer = try await fixture.http2(from: source, token: token) { try await $0.exchange(fixture.fields(), 1) }
        #expect(answer.status == 200)
      }
      #expect(upstream.connections == 2)
    }
  }

  @Test func aCredentialIsPutInAndComesBackAsAMark() async throws {
    let options = Self.options { wire, stream, fields in
      try await wire.headers([(":status", "200"), ("x-echo", fields["authorization"] ?? "")], stream, ends: false)
      try await wire.data(fields["authorization"] ?? "", stream)
      try await wire.headers([("x-trailer", fields["authorization"] ?? "")], stream)
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      let answer = try await fixture.http2 { wire in
        try await wire.exchange(fixture.fields("/", ("authorization", "Bearer \(GatewayFixture.placeholder)"), ("te", "trailers")), 1)
      }
      #expect(upstream.requests.first?.contains("authorization: Bearer \(GatewayFixture.canary)\r\n") == true)
      #expect(answer.status == 200)
      #expect(!"\(answer.heads) \(answer.body)".contains(GatewayFixture.canary))
      #expect(answer.trailers.map { $0.name } == ["x-trailer"])
    }
  }

  // MARK: gRPC

  private static let grpc: [(String, String)] = [("content-type", "application/grpc"), ("te", "trailers")]

  @Test func aUnaryCallWithItsStatusInTheTrailers() async throws {
    let options = Self.options { wire, stream, fields in
      #expect(fields["te"] == "trailers")
      let request = try await wire.answer(stream)
      try await wire.headers([(":status", "200"), ("content-type", "application/grpc")], stream, ends: false)
      try await wire.data(request.body, stream)
      try await wire.headers([("grpc-status", "0"), ("grpc-message", "fine")], stream)
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      let answer = try await fixture.http2 { wire in
        try await wire.headers(fixture.fields("/pkg.Service/Call", method: "POST") + Self.grpc, 1, ends: false)
        try await wire.data("\u{0}\u{0}\u{0}\u{0}\u{2}hi", 1, ends: true)
        return try await wire.answer(1)
      }
      #expect(answer.status == 200)
      #expect(answer.body == "\u{0}\u{0}\u{0}\u{0}\u{2}hi")
      #expect(answer.trailers.map { "\($0.name)=\($0.value)" } == ["grpc-status=0", "grpc-message=fine"])
      let event = try #require(await fixture.sink.events(1).first)
      #expect(event.request?.protocol == "grpc")
      #expect(event.request?.path == "/pkg.Service/Call")
      #expect(event.response?.status == 200)
    }
  }

  @Test func aCallThatIsAnsweredByItsTrailersOnly() async throws {
    let options = Self.options { wire, stream, _ in
      try await wire.headers([(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "12")], stream)
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      let answer = try await fixture.http2 { wire in
        try await wire.exchange(fixture.fields("/pkg.Service/None", method: "POST") + Self.grpc, 1)
      }
      #expect(answer.heads.count == 1)
      #expect(answer["grpc-status"] == "12")
      #expect(answer.count == 0)
    }
  }

  @Test func aStreamInBothDirections() async throws {
    let options = Self.options { wire, stream, _ in
      try await wire.headers([(":status", "200"), ("content-type", "application/grpc")], stream, ends: false)
      for number in 1...5 {
        let come = try await wire.answer(stream) { $0.count >= number }
        try await wire.data(String(come.body.suffix(1)), stream)
      }
      _ = try await wire.answer(stream)
      try await wire.headers([("grpc-status", "0")], stream)
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.http2 { wire in
        try await wire.headers(fixture.fields("/pkg.Service/Chat", method: "POST") + Self.grpc, 1, ends: false)
        for number in 1...5 {
          try await wire.data("\(number)", 1)
          #expect(try await wire.answer(1) { $0.count == number }.body.hasSuffix("\(number)"))
        }
        try await wire.data("", 1, ends: true)
        #expect(try await wire.answer(1).trailers.first?.value == "0")
      }
      #expect(await fixture.sink.events(1).first?.bytesSent == 5)
    }
  }

  // MARK: Combinations

  @Test func aClientOfHTTP1StaysOnHTTP1() async throws {
    var options = Options()
    options.protocols = ["h2", "http/1.1"]
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/"))
        #expect(try await wire.response()?.status == 200)
      }
    }
  }

  // MARK: What goes wrong

  @Test func whatTheUpstreamDidNotLookAtIsSentAgain() async throws {
    let options = Self.options { wire, stream, fields in
      if stream == 1 { return try await wire.send(HTTP2Wire.reset, 0, 1, ByteBuffer(integer: UInt32(7))) }
      try await Self.echo(&wire, stream, fields)
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.http2 { wire in
        let value1 = try await wire.exchange(fixture.fields("/a", method: "DELETE"), 1).status
        #expect(value1 == 200)
      }
      #expect(upstream.requests.count == 2)
      #expect(await fixture.sink.events(1).count == 1)
    }
  }

  @Test func aRequestWithABodyIsNotSentAgain() async throws {
    let options = Self.options { wire, stream, _ in
      try await wire.send(HTTP2Wire.reset, 0, stream, ByteBuffer(integer: UInt32(7)))
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      let answer = try await fixture.http2 { wire in
        try await wire.headers(fixture.fields("/", method: "POST"), 1, ends: false)
        try await wire.data("x", 1, ends: true)
        return try await wire.answer(1)
      }
      #expect(answer.reason == "upstream_protocol_error")
      #expect(upstream.requests.count == 1)
    }
  }

  @Test func anUpstreamThatGoesAwayFinishesWhatItTook() async throws {
    let options = Self.options { wire, stream, fields in
      var payload = ByteBuffer(integer: stream)
      payload.writeInteger(UInt32(0))
      try await wire.send(HTTP2Wire.goAway, 0, 0, payload)
      try await Self.echo(&wire, stream, fields)
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.http2 { wire in
        for id in stride(from: UInt32(1), to: 10, by: 2) {
          let value2 = try await wire.exchange(fixture.fields("/\(id)"), id).status
          #expect(value2 == 200)
        }
      }
      #expect(upstream.connections == 5)
    }
  }

  /// Responses that are refused before anything of them reaches the agent.
  private static let heads: [[(String, String)]] = [
    [("x", "y")], [(":status", "abc")], [(":status", "99")], [(":status", "2000")], [(":status", "101")],
    [(":status", "200"), (":status", "200")], [("x", "y"), (":status", "200")], [(":status", "200"), (":path", "/")],
    [(":status", "200"), ("connection", "close")], [(":status", "200"), ("transfer-encoding", "chunked")],
    [(":status", "200"), ("upgrade", "h2c")], [(":status", "200"), ("X-Upper", "1")], [(":status", "200"), ("x y", "1")],
    [(":status", "200"), ("x", "a\r\nb: c")], [(":status", "200"), ("x", "a\u{0}")], [(":status", "200"), ("content-length", "x")],
    [(":status", "200"), ("content-length", "1"), ("content-length", "1")], [(":status", "200"), ("content-length", "5")],
    [(":status", "407"), ("proxy-authenticate", "Basic")], [(":status", "100")],
  ]

  @Test func malformedResponsesAreABadGateway() async throws {
    let options = Self.options { wire, stream, fields in
      guard let index = Int(fields[":path"]?.dropFirst() ?? "") else { return try await Self.echo(&wire, stream, fields) }
      try await wire.headers(Self.heads[index], stream)
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.http2 { wire in
        var id: UInt32 = 1
        for index in Self.heads.indices {
          let answer = try await wire.exchange(fixture.fields("/\(index)"), id)
          // A head without its promised body has begun already: then the stream is reset.
          #expect(answer.status == 502 || answer.reset != nil, "\(Self.heads[index])")
          id += 2
        }
        let value3 = try await wire.exchange(fixture.fields("/good"), id).status
        #expect(value3 == 200)
      }
      #expect(await fixture.sink.events(Self.heads.count).allSatisfy { $0.reason == "upstream_protocol_error" || $0.decision == .allow })
    }
  }

  @Test func aKillCutsTheStreamsAndTheirConnection() async throws {
    let options = Self.options { wire, stream, _ in
      try await wire.headers([(":status", "200")], stream, ends: false)
      try await wire.data("a", stream)
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.http2 { wire in
        for id in stride(from: UInt32(1), to: 20, by: 2) {
          try await wire.headers(fixture.fields("/\(id)"), id)
          #expect(try await wire.answer(id) { $0.count == 1 }.status == 200)
        }
        try await fixture.kill()
        await wire.rest()
      }
      #expect(await fixture.isQuiet(upstream))
      #expect(fixture.requestEvents.map(\.reason) == Array(repeating: "agent_killed", count: 10))
    }
  }

  @Test func aClientThatGivesUpEndsOnlyItsOwn() async throws {
    let options = Self.options { wire, stream, fields in
      if fields[":path"] == "/good" { return try await Self.echo(&wire, stream, fields) }
      try await wire.headers([(":status", "200")], stream, ends: false)
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.http2 { wire in
        try await wire.headers(fixture.fields("/open"), 1)
        #expect(try await wire.answer(1) { $0.status != nil }.status == 200)
        try await wire.send(HTTP2Wire.reset, 0, 1, ByteBuffer(integer: UInt32(8)))
        let value4 = try await wire.exchange(fixture.fields("/good"), 3).status
        #expect(value4 == 200)
      }
      #expect(upstream.connections == 1)
      #expect(await fixture.sink.events(2).map(\.reason) == ["client_aborted", nil])
    }
  }
}

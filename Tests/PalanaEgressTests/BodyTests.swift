import NIOCore
import PalanaAPI
import PalanaAudit
import PalanaPolicy
import Testing

@testable import PalanaEgress

/// Bodies of every framing and size, in both directions, in bounded memory and without waiting.
@Suite(.timeLimit(.minutes(10)))
struct BodyTests {
  typealias Options = GatewayFixture.Options
  private static let large = 64 << 20
  /// More than the system's buffers of all sockets on the way can hold.
  private static let endless = 512 << 20
  /// What one connection may hold in this process: a read, a write and what TLS makes of them, each way.
  private static let mostBuffered = 1 << 20

  /// Reads a request with its body and answers with the number of its bytes.
  private static let counts: Upstream.Script = { wire, upstream in
    while let head = try await wire.head() {
      upstream.note(head)
      let request = Response(head)
      var count: Int?
      if request["transfer-encoding"] == "chunked" {
        count = try await wire.discardChunks()
      } else if let length = request["content-length"].flatMap({ Int($0) }) {
        count = try await wire.discard(length)
      }
      let body = count.map(String.init) ?? "none"
      try await wire.send("HTTP/1.1 200 OK\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)")
    }
  }

  // MARK: Large

  @Test func aLargeUploadWithALength() async throws {
    var options = Options()
    options.script = Self.counts
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/", method: "PUT", "content-length: \(Self.large)"))
        try await wire.flood(Self.large)
        #expect(try await wire.response()?.body == "\(Self.large)")
        // The connection goes on.
        try await wire.send(fixture.request("/"))
        #expect(try await wire.response()?.body == "none")
      }
      #expect(await fixture.sink.events(2).first?.bytesSent == Int64(Self.large))
      #expect(upstream.connections == 1)
    }
  }

  @Test func aLargeUploadInChunks() async throws {
    var options = Options()
    options.script = Self.counts
    try await GatewayFixture.run(options) { fixture, upstream in
      let chunk = ByteBuffer(string: "10000\r\n" + String(repeating: "x", count: 65_536) + "\r\n")
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/", method: "PUT", "transfer-encoding: chunked"))
        for _ in 0..<(Self.large / 65_536) { try await wire.send(chunk) }
        try await wire.send("0\r\nx-trailer: dropped\r\n\r\n")
        #expect(try await wire.response()?.body == "\(Self.large)")
        try await wire.send(fixture.request("/"))
        #expect(try await wire.response()?.body == "none")
      }
      #expect(await fixture.sink.events(2).first?.bytesSent == Int64(Self.large))
    }
  }

  enum Download: CaseIterable { case length, chunked, untilClose }

  @Test(arguments: Download.allCases, [false, true])
  func aLargeDownload(framing: Download, withCredential: Bool) async throws {
    let size = Self.large
    var options = Options()
    options.script = { wire, upstream in
      guard let head = try await wire.head() else { return }
      upstream.note(head)
      switch framing {
      case .length:
        try await wire.send("HTTP/1.1 200 OK\r\ncontent-length: \(size)\r\n\r\n")
        try await wire.flood(size)
        _ = try await wire.rest()
      case .chunked:
        try await wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        let chunk = ByteBuffer(string: "10000\r\n" + String(repeating: "x", count: 65_536) + "\r\n")
        for _ in 0..<(size / 65_536) { try await wire.send(chunk) }
        try await wire.send("0\r\n\r\n")
        _ = try await wire.rest()
      case .untilClose:
        try await wire.send("HTTP/1.1 200 OK\r\n\r\n")
        try await wire.flood(size)
      }
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.tunnel { wire in
        // With a credential every byte is looked at.
        let fields = withCredential ? ["authorization: Bearer \(GatewayFixture.placeholder)\r\n"] : []
        try await wire.send(
          "GET / HTTP/1.1\r\nhost: allowed.test:\(upstream.port)\r\n\(fields.joined())\r\n")
        let head = Response(try #require(try await wire.head()))
        if framing == .length {
          #expect(head["content-length"] == "\(size)")
          #expect(try await wire.discard(size) == size)
        } else {
          #expect(head["transfer-encoding"] == "chunked")
          #expect(try await wire.discardChunks() == size)
        }
      }
      #expect(await fixture.sink.events(1).first?.response?.bytes == Int64(size))
    }
  }

  // MARK: Backpressure

  @Test func aSlowReaderHoldsTheUpstreamUp() async throws {
    let written = Counter()
    var options = Options()
    options.script = { wire, upstream in
      guard try await wire.head() != nil else { return }
      try await wire.send("HTTP/1.1 200 OK\r\ncontent-length: \(Self.endless)\r\n\r\n")
      try await wire.flood(Self.endless) { written.set($0) }
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/"))
        #expect(try await wire.head() != nil)
        #expect(await written.stalls(fixture))
        // What was written stands in the system's buffers, not in this process.
        let before = written.value
        #expect(before < Self.endless)
        #expect(await fixture.gateway.bufferedBytes() < Self.mostBuffered)
        // As soon as it is read, it goes on.
        #expect(try await wire.discard(before) == before)
        #expect(await fixture.eventually { written.value > before })
        await fixture.gateway.cut([try GatewayFixture.idA])
      }
      #expect(await fixture.isQuiet(upstream))
    }
  }

  @Test(arguments: [false, true])
  func aSlowUpstreamHoldsTheAgentUp(chunked: Bool) async throws {
    let written = Counter()
    let gate = Gate()
    var options = Options()
    options.script = { wire, upstream in
      guard let head = try await wire.head() else { return }
      upstream.note(head)
      await gate.pass()
      _ = try await wire.discard(Self.endless)
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.tunnel { wire in
        let framing = chunked ? "transfer-encoding: chunked" : "content-length: \(Self.endless)"
        try await wire.send(fixture.request("/", method: "POST", framing))
        #expect(await fixture.eventually { gate.arrivals == 1 })
        let writer = wire.writer
        async let sent: Void = upload(writer, chunked: chunked, written)
        #expect(await written.stalls(fixture))
        let before = written.value
        #expect(before < Self.endless)
        #expect(await fixture.gateway.bufferedBytes() < Self.mostBuffered)
        gate.open()
        #expect(await fixture.eventually { written.value > before })
        await fixture.gateway.cut([try GatewayFixture.idA])
        _ = try? await sent
      }
      #expect(await fixture.isQuiet(upstream))
    }
  }

  private func upload(_ writer: Wire.Writer, chunked: Bool, _ written: Counter) async throws {
    guard chunked else { return try await writer.flood(Self.endless) { written.set($0) } }
    let chunk = "10000\r\n" + String(repeating: "x", count: 65_536) + "\r\n"
    for number in 1...(Self.endless / 65_536) {
      try await writer.send(chunk)
      written.set(number * 65_536)
    }
  }

  @Test func pipelinedRequestsBehindASlowOneAreBounded() async throws {
    let written = Counter()
    let gate = Gate()
    var options = Options()
    options.script = { wire, upstream in
      while let head = try await wire.head() {
        upstream.note(head)
        await gate.pass()
        try await wire.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
      }
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      // Large ones, so that few of them fill the system's buffers.
      let many = 10_000
      try await fixture.tunnel { wire in
        let writer = wire.writer
        let request = fixture.request("/", "x-filler: \(String(repeating: "y", count: 30_000))")
        async let sent: Void = {
          for number in 1...many {
            try await writer.send(request)
            written.set(number)
          }
        }()
        #expect(await fixture.eventually { gate.arrivals == 1 })
        #expect(await written.stalls(fixture))
        #expect(written.value < many)
        #expect(await fixture.gateway.bufferedBytes() < Self.mostBuffered)
        await fixture.gateway.cut([try GatewayFixture.idA])
        gate.open()
        _ = try await wire.rest()
        _ = try? await sent
      }
      #expect(upstream.requests.count == 1)
    }
  }

  @Test func aClientThatPipelinesWithoutEndHoldsLittle() async throws {
    var options = Options()
    options.certificate = nil
    options.script = Upstream.fixed("HTTP/1.1 204 No Content\r\n\r\n")
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.client { wire in
        let request = fixture.plain("/", "x-filler: \(String(repeating: "y", count: 8000))")
        // Always one byte of the next request, so that the buffer is never empty.
        try await wire.send(String(request.prefix(1)))
        for _ in 0..<200 {
          try await wire.send(String(request.dropFirst()) + String(request.prefix(1)))
          #expect(try await wire.response()?.status == 204)
        }
        #expect(await fixture.gateway.bufferedBytes() < 128 << 10)
      }
    }
  }

  // MARK: Kinds of responses

  static let responses: [(answer: String, method: String, status: Int, length: String?, body: String)] = [
    ("HTTP/1.1 204 No Content\r\n\r\n", "GET", 204, nil, ""),
    ("HTTP/1.1 304 Not Modified\r\ncontent-length: 1000\r\netag: x\r\n\r\n", "GET", 304, "1000", ""),
    ("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", "HEAD", 200, "1000", ""),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "HEAD", 200, nil, ""),
    ("HTTP/1.1 200 OK\r\n\r\n", "HEAD", 200, nil, ""),
    ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "GET", 200, "0", ""),
    ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", "GET", 200, "2", "ok"),
    ("HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok", "GET", 200, "2", "ok"),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nx-t: 1\r\n\r\n", "GET", 200, nil, "ok"),
    ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", "GET", 100, nil, ""),
    (
      "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", "GET", 103, nil, ""
    ),
  ]

  @Test func everyKindOfResponseLeavesTheConnectionUsable() async throws {
    for row in Self.responses {
      var options = Options()
      options.certificate = nil
      options.script = Upstream.fixed(row.answer)
      try await GatewayFixture.run(options) { fixture, upstream in
        try await fixture.client { wire in
          for _ in 0..<2 {
            try await wire.send(fixture.plain("/", method: row.method))
            let answer = try await wire.response(toHead: row.method == "HEAD")
            #expect(answer?.status == row.status, "\(row.answer)")
            #expect(answer?["content-length"] == row.length, "\(row.answer)")
            #expect(answer?.body == row.body, "\(row.answer)")
            #expect(answer?["x-t"] == nil)
            if row.status < 200 { #expect(try await wire.response()?.body == "ok") }
          }
        }
        #expect(await fixture.sink.events(2).count == 2)
        // A response to HEAD without a length would need the end of the connection if there were a body.
        #expect(upstream.connections <= 2, "\(row.answer)")
      }
    }
  }

  @Test func aResponseUntilTheEndOfTheConnectionIsWhole() async throws {
    var options = Options()
    options.script = { wire, upstream in
      guard try await wire.head() != nil else { return }
      try await wire.send("HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\nall of it")
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.tunnel { wire in
        for _ in 0..<2 {
          try await wire.send(fixture.request("/"))
          #expect(try await wire.response()?.body == "all of it")
        }
      }
      // A client that does not know chunks gets the end of the connection too.
      let old = try await fixture.tunnel { wire in
        try await wire.send("GET / HTTP/1.0\r\nhost: allowed.test:\(upstream.port)\r\n\r\n")
        return try await wire.rest()
      }
      #expect(old.hasSuffix("\r\n\r\nall of it"))
      #expect(!old.contains("chunked"))
      #expect(await fixture.sink.events(3).allSatisfy { $0.response?.bytes == 9 })
    }
  }

  @Test func aResponseThatBreaksOffNeverLooksWhole() async throws {
    for answer in [
      "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalfX",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhalf",
    ] {
      var options = Options()
      options.script = { wire, _ in
        guard try await wire.head() != nil else { return }
        try await wire.send(answer)
      }
      try await GatewayFixture.run(options) { fixture, upstream in
        let text = try await fixture.tunnel { wire in
          try await wire.send(fixture.request("/"))
          return try await wire.rest()
        }
        #expect(!text.hasSuffix("0\r\n\r\n"), "\(answer)")
        let events = await fixture.sink.events(1)
        #expect(events.map(\.decision) == [.error], "\(answer)")
        #expect(events.map(\.reason) == ["upstream_protocol_error"], "\(answer)")
        #expect(await fixture.isQuiet(upstream))
      }
    }
  }

  // MARK: Step by step

  @Test func expectContinueIsTheUpstreamsToAnswer() async throws {
    var options = Options()
    options.script = { wire, upstream in
      while let head = try await wire.head() {
        upstream.note(head)
        guard head.contains("expect: 100-continue\r\n"), head.contains("PUT /yes") else {
          try await wire.send("HTTP/1.1 417 Expectation Failed\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
          return
        }
        try await wire.send("HTTP/1.1 100 Continue\r\n\r\n")
        let body = try await wire.text(5) ?? ""
        try await wire.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n\(body)")
      }
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/yes", method: "PUT", "expect: 100-continue", "content-length: 5"))
        #expect(try await wire.response()?.status == 100)
        try await wire.send("hello")
        #expect(try await wire.response()?.body == "hello")
        try await wire.send(fixture.request("/no", method: "PUT", "Expect: 100-Continue", "content-length: 5"))
        #expect(try await wire.response()?.status == 417)
        // The body that was not sent must not be taken for a request.
        #expect(try await wire.rest() == "")
      }
      // A refusal comes before the body too.
      try await fixture.tunnel { wire in
        try await wire.send(
          fixture.request("/", method: "PUT", "expect: 100-continue", "content-length: 5", "x-http-method: GET"))
        #expect(try await wire.response()?.status == 403)
        #expect(try await wire.rest() == "")
      }
      #expect(upstream.requests.count == 2)
    }
  }

  @Test func anEventStreamIsDeliveredEventByEvent() async throws {
    let heard = Counter()
    var options = Options()
    options.script = { wire, upstream in
      guard try await wire.head() != nil else { return }
      try await wire.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
      for number in 1...20 {
        let event = "data: \(number)\n\n"
        try await wire.send(String(event.utf8.count, radix: 16) + "\r\n\(event)\r\n")
        // The next one is not sent before the client has this one.
        while heard.value < number, !Task.isCancelled { await Task.yield() }
      }
      try await wire.send("0\r\n\r\n")
      _ = try await wire.rest()
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/", "authorization: Bearer \(GatewayFixture.placeholder)"))
        #expect(try await wire.head() != nil)
        for number in 1...20 {
          let event = "data: \(number)\n\n"
          #expect(try await wire.line() == String(event.utf8.count, radix: 16))
          #expect(try await wire.text(event.utf8.count + 2) == event + "\r\n")
          heard.set(number)
        }
        #expect(try await wire.line() == "0")
      }
    }
  }

  @Test func bothDirectionsAtOnce() async throws {
    // The response begins before the request ends, and answers each piece of it.
    var options = Options()
    options.script = { wire, upstream in
      guard try await wire.head() != nil else { return }
      try await wire.send("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n")
      for _ in 0..<10 { try await wire.send(try await wire.bytes(5) ?? []) }
      _ = try await wire.rest()
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/", method: "POST", "content-length: 50"))
        #expect(try await wire.head() != nil)
        for number in 0..<10 {
          try await wire.send("ping\(number)")
          #expect(try await wire.text(5) == "ping\(number)")
        }
      }
      #expect(await fixture.sink.events(1).first?.decision == .allow)
    }
  }

  @Test func anAnswerBeforeTheEndOfTheBodyEndsTheConnection() async throws {
    var options = Options()
    options.script = { wire, upstream in
      guard let head = try await wire.head() else { return }
      upstream.note(head)
      try await wire.send("HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
      _ = try await wire.rest()
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/", method: "POST", "content-length: 10000000"))
        #expect(try await wire.response()?.body == "no")
        #expect(try await wire.rest() == "")
      }
      #expect(await fixture.isQuiet(upstream))
      #expect(fixture.requestEvents.map(\.response?.status) == [413])
    }
  }
}

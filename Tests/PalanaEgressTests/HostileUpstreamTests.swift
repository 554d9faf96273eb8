import NIOCore
import PalanaAPI
import PalanaAudit
import PalanaPolicy
import Testing

@testable import PalanaEgress

/// The family "Framing", from the upstream's side: a hostile response harms nobody but its own request.
@Suite(.timeLimit(.minutes(10)))
struct HostileUpstreamTests {
  typealias Options = GatewayFixture.Options

  /// Answers that are refused before anything of them reaches the agent.
  static let heads: [String] = [
    "nonsense\r\n\r\n", "HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 99 Low\r\n\r\n",
    "HTTP/1.1 700 High\r\n\r\n", "HTTP/1.1 abc OK\r\n\r\n", "HTTP/1.1  200 OK\r\n\r\n", "\r\nHTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.1 200 OK\nx: y\r\n\r\n", "HTTP/1.1 200 O\u{0}K\r\n\r\n", "HTTP/1.1 200 OK\r\nx\u{0}: y\r\n\r\n",
    "HTTP/1.1 200 OK\r\nx: y\r\n z\r\n\r\n", "HTTP/1.1 200 OK\r\nx : y\r\n\r\n", "HTTP/1.1 200 OK\r\nx: a\rb\r\n\r\n",
    "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\na",
    "HTTP/1.1 200 OK\r\ncontent-length: 1, 1\r\n\r\na", "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\na",
    "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\na",
    "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 407 Proxy\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    "HTTP/1.1 200 OK\r\nx: \(String(repeating: "a", count: 70_000))\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\(String(repeating: "x: 1\r\n", count: 200))\r\n", String(repeating: "a", count: 70_000),
  ]

  @Test func aMalformedHeadIsABadGateway() async throws {
    for (index, answer) in Self.heads.enumerated() {
      var options = Options()
      options.certificate = index % 8 == 0 ? "allowed.test" : nil
      options.script = Upstream.fixed(answer)
      try await GatewayFixture.run(options) { fixture, upstream in
        let shown = answer.prefix(60)
        let response =
          index % 8 == 0
          ? try await fixture.tunnel { wire in
            try await wire.send(fixture.request("/"))
            return try await wire.response()
          }
          : try await fixture.client { wire in
            try await wire.send(fixture.plain("/"))
            return try await wire.response()
          }
        #expect(response?.status == 502, "\(shown)")
        #expect(response?.reason == "upstream_protocol_error", "\(shown)")
        #expect(await fixture.sink.events(1).map(\.reason) == ["upstream_protocol_error"], "\(shown)")
        #expect(await fixture.isQuiet(upstream))
        #expect(fixture.requestEvents.count == 1)
      }
    }
  }

  @Test func aMalformedChunkedBodyBreaksOff() async throws {
    let bodies = [
      "z\r\n", "5\r\nhelloX", "5\nhello\r\n", "fffffffffffffffff\r\n", "5;a\u{0}\r\nhello\r\n", "0\r\n bad: 1\r\n\r\n",
      "1;\(String(repeating: "e", count: 70_000))\r\na\r\n0\r\n\r\n",
    ]
    for body in bodies {
      var options = Options()
      options.certificate = nil
      options.script = Upstream.fixed("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n\(body)")
      try await GatewayFixture.run(options) { fixture, upstream in
        let text = try await fixture.client { wire in
          try await wire.send(fixture.plain())
          return try await wire.rest()
        }
        #expect(!text.hasSuffix("0\r\n\r\n"), "\(body.prefix(20))")
        #expect(await fixture.sink.events(1).map(\.reason) == ["upstream_protocol_error"], "\(body.prefix(20))")
        #expect(await fixture.isQuiet(upstream))
      }
    }
  }

  /// An answer before the question, and more answers than questions: the next request must not get what is left over.
  @Test func answersThatNobodyAskedForReachNobody() async throws {
    var options = Options()
    options.certificate = nil
    options.script = { wire, upstream in
      while let head = try await wire.head() {
        upstream.note(head)
        let body = head.split(separator: " ")[1]
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)"
        try await wire.send(answer + "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison")
      }
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.client { wire in
        for number in 0..<10 {
          try await wire.send(fixture.plain("/\(number)"))
          #expect(try await wire.response()?.body == "/\(number)")
        }
      }
      #expect(upstream.requests.count == 10)
      #expect(upstream.connections == 10)
    }
  }

  @Test func anAnswerOnAKeptConnectionClosesIt() async throws {
    let gate = Gate()
    var options = Options()
    options.certificate = nil
    options.script = { wire, upstream in
      guard let head = try await wire.head() else { return }
      upstream.note(head)
      try await wire.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirst")
      guard upstream.requests.count == 1 else { return }
      await gate.pass()
      try await wire.send("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison")
      _ = try await wire.rest()
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.client { wire in
        try await wire.send(fixture.plain("/1"))
        #expect(try await wire.response()?.body == "first")
        gate.open()
        #expect(await fixture.eventually { upstream.open == 0 })
        try await wire.send(fixture.plain("/2"))
        #expect(try await wire.response()?.body == "first")
      }
      #expect(upstream.connections == 2)
    }
  }

  @Test func anEndlessRowOfInterimResponsesIsBounded() async throws {
    let written = Counter()
    var options = Options()
    options.certificate = nil
    options.script = { wire, upstream in
      guard try await wire.head() != nil else { return }
      let interim = "HTTP/1.1 102 Processing\r\nx-filler: \(String(repeating: "a", count: 4000))\r\n\r\n"
      // Never whole heads, so that something always stays in the buffer.
      try await wire.send(String(interim.prefix(10)))
      for number in 1...5000 {
        try await wire.send(String(interim.dropFirst(10)) + String(interim.prefix(10)))
        written.set(number)
      }
      _ = try await wire.rest()
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.client { wire in
        try await wire.send(fixture.plain())
        for _ in 0..<200 { #expect(try await wire.response()?.status == 102) }
        #expect(await written.stalls(fixture))
        #expect(await fixture.gateway.bufferedBytes() < 1 << 20)
      }
      #expect(await fixture.isQuiet(upstream))
      #expect(fixture.requestEvents.count == 1)
    }
  }

  @Test func aKeptConnectionThatWasClosedIsReplacedForSafeRequestsOnly() async throws {
    var options = Options()
    options.certificate = nil
    options.threads = 1
    // Each connection answers once, and closes when the second request comes.
    options.script = { wire, upstream in
      guard let first = try await wire.head() else { return }
      upstream.note(first)
      try await wire.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
      if let second = try await wire.head() { upstream.note(second) }
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.client { wire in
        try await wire.send(fixture.plain("/1"))
        #expect(try await wire.response()?.status == 200)
        try await wire.send(fixture.plain("/2"))
        #expect(try await wire.response()?.status == 200)
      }
      try await fixture.client { wire in
        try await wire.send(fixture.plain("/3", method: "POST", "content-length: 0"))
        #expect(try await wire.response()?.status == 502)
      }
      #expect(await fixture.sink.events(3).count == 3)
    }
  }
}

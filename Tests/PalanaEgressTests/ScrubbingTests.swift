import NIOCore
import PalanaAudit
import PalanaSecrets
import Testing

@testable import PalanaEgress

/// The family "Credentials", on the way back: in every spelling, however it is cut, compressed, later, and in streams.
@Suite(.timeLimit(.minutes(10)))
struct ScrubbingTests {
  private static let canary = GatewayFixture.canary
  private static let credential = "authorization: Bearer \(GatewayFixture.placeholder)"

  private static func forms() -> [String] {
    SecretForms.all(of: Array(canary.utf8)).map { String(decoding: $0, as: UTF8.self) }.sorted()
  }

  private static func stars(_ count: Int) -> String { String(repeating: "*", count: count) }

  private static func chunk(_ text: some StringProtocol) -> String {
    text.isEmpty ? "" : String(text.utf8.count, radix: 16) + "\r\n\(text)\r\n"
  }

  @Test func everySpellingInHeadAndBody() async throws {
    var options = GatewayFixture.Options()
    let forms = Self.forms()
    options.script = { wire, upstream in
      while let head = try await wire.head() {
        let form = forms[Int(head.split(separator: " ")[1].dropFirst()) ?? 0]
        try await wire.send(
          "HTTP/1.1 200 a \(form) b\r\nx-echo: \(form)\r\nset-cookie: s=\(form); secure\r\nlocation: https://evil.test/?\(form)\r\n"
            + "content-length: \(form.utf8.count + 4)\r\n\r\n: \(form) .")
      }
    }
    try await GatewayFixture.run(options) { fixture, _ in
      try await fixture.tunnel { wire in
        for index in forms.indices {
          try await wire.send(fixture.request("/\(index)", Self.credential))
          let response = try #require(try await wire.response())
          let mask = Self.stars(forms[index].utf8.count)
          #expect(response.body == ": \(mask) ." && response["x-echo"] == mask, "\(forms[index])")
          #expect(response["set-cookie"] == "s=\(mask); secure" && response["location"] == "https://evil.test/?\(mask)")
          #expect(response.head.hasPrefix("HTTP/1.1 200 a \(mask) b\r\n"))
        }
      }
    }
  }

  @Test func chunksCutAnywhere() async throws {
    var options = GatewayFixture.Options()
    let value = Self.canary
    options.script = { wire, upstream in
      while let head = try await wire.head() {
        let cut = Int(head.split(separator: " ")[1].dropFirst()) ?? 0
        try await wire.send(
          "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + Self.chunk("{\"echo\":\"" + value.prefix(cut)))
        try await wire.send(Self.chunk(value.dropFirst(cut) + "\"}") + "0\r\nx-trailer: \(value)\r\n\r\n")
      }
    }
    try await GatewayFixture.run(options) { fixture, _ in
      try await fixture.tunnel { wire in
        for cut in 0...value.utf8.count {
          try await wire.send(fixture.request("/\(cut)", Self.credential))
          // Three bytes never wait for the next chunk.
          let passed = cut < 4 ? cut : 0
          let expected = "{\"echo\":\"" + value.prefix(passed) + Self.stars(value.utf8.count - passed) + "\"}"
          #expect(try await wire.response()?.body == expected)
        }
      }
    }
  }

  /// What was stored by one request and comes with another one, which carries nothing.
  @Test func inALaterAnswer() async throws {
    var options = GatewayFixture.Options()
    options.script = Upstream.fixed("HTTP/1.1 200 OK\r\ncontent-length: \(Self.canary.utf8.count)\r\n\r\n\(Self.canary)")
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/", "accept-encoding: gzip"))
        #expect(try await wire.response()?.body == Self.stars(Self.canary.utf8.count))
      }
      #expect(upstream.requests.first?.contains("accept-encoding: identity\r\n") == true)
    }
  }

  /// Hosts that none of the agent's secrets is bound to are none of its business.
  @Test func elsewhereNothingChanges() async throws {
    var options = GatewayFixture.Options()
    options.certificate = "other.test"
    options.script = Upstream.fixed("HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 26\r\n\r\n\(Self.canary)")
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.tunnel("other.test") { wire in
        try await wire.send(fixture.request("/", host: "other.test", "accept-encoding: br", "range: bytes=0-5"))
        #expect(try await wire.response()?.body == Self.canary)
      }
      let request = try #require(upstream.requests.first)
      #expect(request.contains("accept-encoding: br\r\n") && request.contains("range: bytes=0-5\r\n"))
    }
  }

  /// A part of an answer could hold a part of a value: a request with a credential asks for the whole.
  @Test func rangesAreNotAskedForWithACredential() async throws {
    try await GatewayFixture.run { fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/", Self.credential, "range: bytes=0-5", "if-range: \"x\"", "x: y"))
        #expect(try await wire.response()?.status == 200)
        try await wire.send(fixture.request("/", "range: bytes=0-5"))
        #expect(try await wire.response()?.status == 200)
      }
      let requests = upstream.requests
      #expect(requests.first?.contains("range") == false && requests.first?.contains("x: y\r\n") == true)
      #expect(requests.last?.contains("range: bytes=0-5\r\n") == true)
    }
  }

  // MARK: Compressed

  private static func compressed(_ coding: String, _ bytes: [UInt8], isChunked: Bool = false) -> Upstream.Script {
    { wire, upstream in
      while let head = try await wire.head() {
        upstream.note(head)
        try await wire.send(
          "HTTP/1.1 200 OK\r\ncontent-encoding: \(coding)\r\ncontent-md5: x\r\netag: \"e\"\r\n"
            + (isChunked ? "transfer-encoding: chunked\r\n\r\n" : "content-length: \(bytes.count)\r\n\r\n"))
        for piece in stride(from: 0, to: bytes.count, by: 1000) {
          let part = bytes[piece..<min(piece + 1000, bytes.count)]
          var buffer = ByteBuffer(string: isChunked ? String(part.count, radix: 16) + "\r\n" : "")
          buffer.writeBytes(part)
          if isChunked { buffer.writeString("\r\n") }
          try await wire.send(buffer)
        }
        if isChunked { try await wire.send("0\r\n\r\n") }
      }
    }
  }

  @Test(arguments: [("gzip", 31, true), ("x-gzip", 31, false), ("deflate", 15, false), ("Deflate", -15, true)] as [(String, Int32, Bool)])
  func codingsThatCanBeRead(_ name: String, _ window: Int32, _ isChunked: Bool) async throws {
    var options = GatewayFixture.Options()
    let text = "before \(Self.canary) after"
    options.script = Self.compressed(name, Gzip.compress(Array(text.utf8), window: window), isChunked: isChunked)
    try await GatewayFixture.run(options) { fixture, _ in
      try await fixture.tunnel { wire in
        for _ in 0..<2 {
          try await wire.send(fixture.request("/", Self.credential))
          let response = try #require(try await wire.response())
          #expect(response.body == "before \(Self.stars(Self.canary.utf8.count)) after")
          #expect(response["content-encoding"] == nil && response["content-md5"] == nil && response["content-length"] == nil)
          #expect(response["etag"] == "\"e\"" && response["transfer-encoding"] == "chunked")
        }
      }
    }
  }

  @Test(arguments: ["br", "zstd", "gzip, gzip", "gzip, br", "compress", "x", "identity, br"])
  func codingsThatCannot(_ coding: String) async throws {
    var options = GatewayFixture.Options()
    options.script = Self.compressed(coding, Array("opaque".utf8))
    try await GatewayFixture.run(options) { fixture, _ in
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/", Self.credential))
        let response = try #require(try await wire.response())
        #expect(response.status == 502 && response.reason == "response_not_readable")
      }
      let event = try #require(await fixture.sink.events(1).first)
      #expect(event.reason == "response_not_readable" && event.decision == .error)
    }
  }

  @Test func aBombEndsTheResponse() async throws {
    var options = GatewayFixture.Options()
    options.script = Self.compressed("gzip", Gzip.compress([UInt8](repeating: 0, count: 32 << 20)))
    try await GatewayFixture.run(options) { fixture, _ in
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/", Self.credential))
        _ = try await wire.head()
        #expect(try await wire.discardChunks() == nil)
      }
      let event = try #require(await fixture.sink.events(1).first)
      #expect(event.reason == "response_not_readable" && event.decision == .error)
      #expect((event.response?.bytes ?? 0) < 2 << 20)
    }
  }

  @Test func headAndNotModifiedHaveNothingToRead() async throws {
    var options = GatewayFixture.Options()
    options.script = { wire, upstream in
      while let head = try await wire.head() {
        let status = head.hasPrefix("HEAD") ? "200 OK" : "304 Not Modified"
        try await wire.send("HTTP/1.1 \(status)\r\ncontent-encoding: br\r\ncontent-length: 77\r\n\r\n")
      }
    }
    try await GatewayFixture.run(options) { fixture, _ in
      try await fixture.tunnel { wire in
        for method in ["HEAD", "GET"] {
          try await wire.send(fixture.request("/", method: method, Self.credential))
          let response = try #require(try await wire.response(toHead: true))
          #expect(response["content-encoding"] == "br" && response["content-length"] == "77")
        }
      }
    }
  }

  // MARK: Streams

  /// An event arrives while the next one is not sent yet.
  @Test func eventsDoNotWait() async throws {
    let gate = Gate()
    var options = GatewayFixture.Options()
    options.script = { wire, upstream in
      guard try await wire.head() != nil else { return }
      try await wire.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
      try await wire.send(Self.chunk("data: \(Self.canary)\n\n"))
      await gate.pass()
      try await wire.send(Self.chunk("data: end\n\n") + "0\r\n\r\n")
    }
    try await GatewayFixture.run(options) { fixture, _ in
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/", Self.credential))
        _ = try await wire.head()
        let event = Self.chunk("data: \(Self.stars(Self.canary.utf8.count))\n\n")
        #expect(try await wire.text(event.utf8.count) == event)
        gate.open()
        #expect(try await wire.discardChunks() == 11)
      }
    }
  }
}

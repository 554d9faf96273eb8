import NIOCore
import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaPolicy
import PalanaSecrets
import Testing

@testable import PalanaEgress

/// The same places in requests over HTTP/2, and gRPC metadata.
@Suite(.timeLimit(.minutes(10)))
struct HTTP2PlacesTests {
  /// An upstream that speaks HTTP/2, notes each request with its body, and answers with nothing.
  private static func options(_ more: [(String, String)] = []) -> GatewayFixture.Options {
    var options = GatewayFixture.Options()
    options.protocols = ["h2"]
    options.limits.bodyRewriteBytes = 4096
    options.script = { wire, upstream in
      var http2 = HTTP2Wire(wire.handOver())
      try await http2.accept()
      while let request = try await http2.request() {
        let body = request.isWhole ? "" : try await http2.answer(request.stream).body
        upstream.note(request.fields.map { "\($0): \($1)\r\n" }.sorted().joined() + "\r\n" + body)
        try await http2.headers([(":status", "200")] + more, request.stream)
      }
    }
    return options
  }

  private func run(
    _ places: Set<PlaceholderBinding.Place>, _ options: GatewayFixture.Options = options(),
    _ body: @Sendable @escaping (GatewayFixture, Upstream) async throws -> Void
  ) async throws {
    try await GatewayFixture.run(options) { fixture, upstream in
      var next = GatewayFixture.Options()
      next.bindings = [try fixture.binding(places: places)]
      await fixture.gateway.apply(try fixture.snapshot(2, options: next))
      try await body(fixture, upstream)
      #expect(!fixture.sink.text.contains(GatewayFixture.canary))
    }
  }

  @Test func aBodyInAnyNumberOfFrames() async throws {
    try await run([.body, .query("key"), .path]) { fixture, upstream in
      let placeholder = GatewayFixture.placeholder
      let body = #"{"token":"\#(placeholder)"}"#
      try await fixture.http2 { wire in
        for (index, size) in [1, 5, body.utf8.count].enumerated() {
          let stream = UInt32(2 * index + 1)
          let fields = fixture.fields("/\(placeholder)?key=\(placeholder)", method: "POST", ("content-type", "application/json"))
          try await wire.headers(fields, stream, ends: false)
          var rest = Substring(body)
          while !rest.isEmpty {
            try await wire.data(String(rest.prefix(size)), stream, ends: rest.count <= size)
            rest = rest.dropFirst(size)
          }
          let value1 = try await wire.answer(stream).status
          #expect(value1 == 200)
        }
      }
      let sent = #"{"token":"\#(GatewayFixture.canary)"}"#
      #expect(upstream.requests.count == 3)
      for request in upstream.requests {
        #expect(request.contains(":path: /\(GatewayFixture.canary)?key=\(GatewayFixture.canary)\r\n"))
        #expect(request.contains("content-length: \(sent.utf8.count)\r\n"))
        #expect(request.hasSuffix("\r\n\r\n\(sent)"))
      }
      #expect(await fixture.sink.events(3).map(\.secrets) == [["GITHUB_PAT"], ["GITHUB_PAT"], ["GITHUB_PAT"]])
    }
  }

  @Test func aRefusedBodyEndsItsStreamOnly() async throws {
    try await run([.body]) { fixture, upstream in
      try await fixture.http2 { wire in
        for (stream, type, text, status) in [
          (1 as UInt32, "text/plain", GatewayFixture.placeholder, 415), (3, "application/json", String(repeating: "x", count: 5000), 413),
          (5, "application/json", #"{"a":"TOKEN_OTHER"}"#, 403),
        ] {
          try await wire.headers(fixture.fields(method: "POST", ("content-type", type)), stream, ends: false)
          try await wire.data(text, stream, ends: true)
          let value2 = try await wire.answer(stream).status
          #expect(value2 == status)
        }
        let value3 = try await wire.exchange(fixture.fields(), 7).status
        #expect(value3 == 200)
      }
      #expect(upstream.requests.count == 1)
      #expect(
        await fixture.sink.events(4).map(\.reason) == ["body_not_rewritable", "body_too_large", "secret_not_bound", nil])
    }
  }

  @Test func metadataOfCalls() async throws {
    let options = Self.options([("content-type", "application/grpc"), ("grpc-status", "0")])
    try await run([.header("x-api-key")], options) { fixture, upstream in
      let call = fixture.fields("/pkg.Service/Call", method: "POST", ("content-type", "application/grpc"), ("te", "trailers"))
      try await fixture.http2 { wire in
        try await wire.headers(call + [("x-api-key", GatewayFixture.placeholder)], 1, ends: false)
        try await wire.data("\u{0}\u{0}\u{0}\u{0}\u{2}hi", 1, ends: true)
        #expect(try await wire.answer(1)["grpc-status"] == "0")
        // Other metadata is another place.
        let denied = try await wire.exchange(call + [("authorization", "Bearer \(GatewayFixture.placeholder)")], 3)
        #expect(denied.reason == "secret_not_bound")
      }
      #expect(upstream.requests.count == 1)
      #expect(upstream.requests.first?.contains("x-api-key: \(GatewayFixture.canary)\r\n") == true)
      #expect(upstream.requests.first?.hasSuffix("\r\n\r\n\u{0}\u{0}\u{0}\u{0}\u{2}hi") == true)
      #expect(await fixture.sink.events(2).map(\.request?.protocol) == ["grpc", "grpc"])
    }
  }
}

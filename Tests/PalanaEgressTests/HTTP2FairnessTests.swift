import NIOCore
import PalanaAPI
import Testing

@testable import PalanaEgress

/// What clients do with HTTP/2 that is no attack: they forget answers, and read a refusal only when they have sent everything.
@Suite(.timeLimit(.minutes(10)))
struct HTTP2FairnessTests {
  typealias Options = GatewayFixture.Options

  /// httpx tells nobody that it no longer reads a stream, and opens the connection's window only for what it reads.
  @Test func answersThatNobodyReadsHoldUpNoOther() async throws {
    var options = Options()
    options.script = { wire, upstream in
      guard let head = try await wire.head() else { return }
      if head.hasPrefix("GET /small") {
        return try await wire.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nsmall")
      }
      try await wire.send("HTTP/1.1 200 OK\r\ncontent-length: \(64 << 20)\r\n\r\n")
      try await wire.flood(64 << 20) { _ in }
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.http2 { wire in
        wire.opensWindows = false
        try await wire.open(0, by: 16 << 20)
        let forgotten = (0..<24).map { UInt32($0 * 2 + 1) }
        for id in forgotten { try await wire.headers(fixture.fields(), id) }
        for id in forgotten { #expect(try await wire.answer(id) { $0.count == 65_535 }.count == 65_535) }
        for number in 0..<8 {
          let id = UInt32(101 + number * 2)
          let answer = try await wire.exchange(fixture.fields("/small"), id)
          #expect(answer.body == "small")
        }
        await fixture.gateway.cut([try GatewayFixture.idA])
      }
      #expect(await fixture.isQuiet(upstream))
    }
  }

  private func refusing(_ fixture: GatewayFixture, _ upstream: Upstream) async throws {
    var options = Options()
    options.rulesA = [EgressRule(id: "some", host: "allowed.test", ports: [Int(upstream.port)], methods: ["GET"])]
    await fixture.gateway.apply(try fixture.snapshot(2, options: options))
  }

  @Test func theRestOfARefusedBodyIsTaken() async throws {
    try await GatewayFixture.run { fixture, upstream in
      try await refusing(fixture, upstream)
      try await fixture.http2 { wire in
        try await wire.headers(fixture.fields("/", method: "POST"), 1, ends: false)
        let piece = String(repeating: "x", count: 16_384)
        // Settings and the connection's window: that of the stream is narrower.
        _ = try await wire.step()
        _ = try await wire.step()
        var window = EgressLimits().http2.streamWindow
        var left = 64
        while left > 0 {
          while left > 0, window >= piece.utf8.count {
            left -= 1
            window -= piece.utf8.count
            try await wire.data(piece, 1, ends: left == 0)
          }
          guard left > 0, let frame = try await wire.step() else { break }
          var payload = frame.payload
          if frame.type == HTTP2Wire.windowUpdate, frame.stream == 1 { window += Int(payload.readInteger(as: UInt32.self) ?? 0) }
        }
        #expect(left == 0)
        let answer = try await wire.answer(1)
        #expect(answer.reason == "method_not_allowed" && answer.reset == nil)
        let value1 = try await wire.exchange(fixture.fields("/"), 3).status
        #expect(value1 == 200)
      }
      #expect(upstream.requests.count == 1)
    }
  }

  @Test func aClientThatDoesNotEndARefusedRequestIsToldTo() async throws {
    try await GatewayFixture.run { fixture, upstream in
      try await refusing(fixture, upstream)
      try await fixture.http2 { wire in
        try await wire.headers(fixture.fields("/", method: "POST"), 1, ends: false)
        let value2 = try await wire.answer(1).reason
        #expect(value2 == "method_not_allowed")
        #expect(try await wire.answer(1) { $0.reset != nil }.reset == 0)
        let value3 = try await wire.exchange(fixture.fields("/"), 3).status
        #expect(value3 == 200)
      }
    }
  }
}

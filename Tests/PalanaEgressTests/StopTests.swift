import NIOCore
import PalanaAudit
import Testing

@testable import PalanaEgress

/// The stop of a gateway: nothing new begins, what is under way has a bounded time to end.
@Suite(.timeLimit(.minutes(10)))
struct StopTests {
  typealias Options = GatewayFixture.Options

  /// An upstream that answers when the gate opens.
  private static func options(_ gate: Gate, patience: Duration = .seconds(600)) -> Options {
    var options = Options()
    options.limits.stopTimeout = patience
    options.script = { wire, upstream in
      guard let head = try await wire.head() else { return }
      upstream.note(head)
      await gate.pass()
      try await wire.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
      _ = try await wire.rest()
    }
    return options
  }

  @Test func streamsOfHTTP2EndAndNoneBegins() async throws {
    let gate = Gate()
    try await GatewayFixture.run(Self.options(gate)) { fixture, upstream in
      try await fixture.http2 { wire in
        // The connection ends with the answer: nothing more can be written then.
        wire.opensWindows = false
        try await wire.headers(fixture.fields("/first"), 1)
        #expect(await fixture.eventually { upstream.requests.count == 1 })
        await fixture.stop()
        while wire.goAwayCode == nil, try await wire.step() != nil {}
        #expect(wire.goAwayCode == 0)
        #expect(wire.goAwayStream == 1)
        try await wire.headers(fixture.fields("/late"), 3)
        gate.open()
        let answer = try await wire.answer(1)
        #expect(answer.body == "ok")
        #expect(answer.isComplete)
        await wire.rest()
      }
      #expect(upstream.requests.count == 1)
      #expect(await fixture.sink.events(1).map(\.decision) == [.allow])
    }
  }

  @Test func aRequestOfHTTP1EndsAndTheConnectionWithIt() async throws {
    let gate = Gate()
    try await GatewayFixture.run(Self.options(gate)) { fixture, upstream in
      try await fixture.tunnel { idle in
        try await fixture.tunnel { wire in
          try await wire.send(fixture.request("/"))
          #expect(await fixture.eventually { upstream.requests.count == 1 })
          await fixture.stop()
          // A connection without a request ends at once.
          #expect(try await idle.rest() == "")
          gate.open()
          let answer = try await wire.response()
          #expect(answer?.body == "ok")
          #expect(answer?["connection"] == "close")
          #expect(try await wire.rest() == "")
        }
      }
    }
  }

  @Test func whatDoesNotEndIsCut() async throws {
    let gate = Gate()
    try await GatewayFixture.run(Self.options(gate, patience: .milliseconds(50))) { fixture, upstream in
      try await fixture.http2 { wire in
        try await wire.headers(fixture.fields("/"), 1)
        #expect(await fixture.eventually { upstream.requests.count == 1 })
        await fixture.stop()
        await wire.rest()
      }
      gate.open()
      #expect(await fixture.sink.events(1).map(\.reason) == ["gateway_stopped"])
    }
  }

  @Test func aWebsocketIsToldThatTheGatewayGoes() async throws {
    var options = Options()
    options.limits.stopTimeout = .seconds(600)
    options.script = { wire, upstream in
      guard try await wire.head() != nil else { return }
      try await wire.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
      _ = try await wire.rest()
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(
          fixture.request("/ws", "connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13", "sec-websocket-key: x"))
        #expect(try await wire.head() != nil)
        await fixture.stop()
        // A close frame with the status 1001.
        #expect(try await wire.bytes(4) == [0x88, 2, 3, 0xe9])
        #expect(try await wire.rest() == "")
      }
      #expect(await fixture.sink.events(1).map(\.reason) == ["gateway_stopped"])
    }
  }
}

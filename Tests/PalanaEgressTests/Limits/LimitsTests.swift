import NIOCore
import PalanaAudit
import Testing

@testable import PalanaEgress

/// What one agent may use of the gateway; the other agent notices nothing of it.
@Suite(.timeLimit(.minutes(10)))
struct LimitsTests {
  @Test func newConnectionsHaveARate() async throws {
    var options = GatewayFixture.Options()
    options.limits.newConnectionsPerSecond = 1
    try await GatewayFixture.run(options) { fixture, _ in
      // Five seconds' worth at once; then one each second, and this takes less than that for each.
      var answered = 0
      while answered < 5 {
        try await fixture.client { wire in
          try await wire.send(fixture.plain("/", host: "evil.test", "connection: close"))
          if try await wire.response()?.status == 403 { answered += 1 }
        }
      }
      var closed = false
      while !closed {
        closed = try await fixture.client { wire in
          try? await wire.send(fixture.plain("/", host: "evil.test", "connection: close"))
          return try await wire.response() == nil
        }
      }
      try await fixture.client(from: "127.0.1.2") { wire in
        try await wire.send("CONNECT evil.test:443 HTTP/1.1\r\nproxy-authorization: \(GatewayFixture.basic(GatewayFixture.tokenB))\r\n\r\n")
        #expect(try await wire.response()?.status == 403)
      }
      let event = try #require(fixture.sink.events.first { $0.action == "connection" })
      #expect(event.reason == "limit_exceeded" && event.agent?.name == "a")
      #expect(!fixture.sink.events.contains { $0.action == "connection" && $0.agent?.name == "b" })
    }
  }

  @Test func requestsUnderWayAreBounded() async throws {
    var options = GatewayFixture.Options()
    options.limits.requestsInFlight = 2
    options.limits.upstreamIdle = .milliseconds(50)
    let gate = Gate()
    options.script = { wire, upstream in
      while let head = try await wire.head() {
        upstream.note(head)
        await gate.pass()
        try await wire.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
      }
    }
    try await GatewayFixture.run(options) { fixture, upstream in
      try await withThrowingTaskGroup(of: Int?.self) { group in
        for _ in 0..<2 {
          group.addTask {
            try await fixture.tunnel { wire in
              try await wire.send(fixture.request())
              return try await wire.response()?.status
            }
          }
        }
        #expect(await fixture.eventually { upstream.requests.count == 2 })
        try await fixture.tunnel { wire in
          try await wire.send(fixture.request())
          let refused = try await wire.response()
          #expect(refused?.status == 429 && refused?.reason == "limit_exceeded")
          // The connection lives on, and the other agent has its own count.
          gate.open()
          for try await status in group { #expect(status == 200) }
          try await wire.send(fixture.request())
          #expect(try await wire.response()?.status == 200)
        }
      }
      #expect(await fixture.isQuiet(upstream))
      #expect(fixture.gateway.requestsUnderWay == 0)
      #expect(fixture.requestEvents.count { $0.reason == "limit_exceeded" } == 1)
    }
  }

  @Test(arguments: [
    "content-length: 11\r\n\r\n01234567890", "transfer-encoding: chunked\r\n\r\n6\r\n012345\r\n5\r\n67890\r\n0\r\n\r\n",
  ])
  func bodiesAreBounded(_ rest: String) async throws {
    var options = GatewayFixture.Options()
    options.limits.requestBodyBytes = 10
    try await GatewayFixture.run(options) { fixture, upstream in
      let answer = try await fixture.tunnel { wire in
        try await wire.send("POST / HTTP/1.1\r\nhost: allowed.test:\(fixture.upstreamPort)\r\n\(rest)")
        return try await wire.response()
      }
      #expect(answer?.status == 413 && answer?.reason == "body_too_large")
      let event = try #require(fixture.requestEvents.last)
      #expect(event.decision == .deny && event.reason == "body_too_large")
      try await fixture.tunnel { wire in
        try await wire.send("POST / HTTP/1.1\r\nhost: allowed.test:\(fixture.upstreamPort)\r\ncontent-length: 10\r\n\r\n0123456789")
        #expect(try await wire.response()?.status == 200)
      }
    }
  }

  /// More refusals than the rate permits are answered later, and every one has its event, whoever ends it.
  @Test(arguments: [false, true])
  func refusalsHaveARate(_ leaves: Bool) async throws {
    var options = GatewayFixture.Options()
    options.limits.refusalsPerSecond = 20
    try await GatewayFixture.run(options) { fixture, upstream in
      let count = 205
      try await fixture.client { wire in
        for _ in 0..<count {
          try await wire.send(fixture.plain("/", host: "evil.test"))
          // The last ones wait; who leaves then is written down all the same.
          if leaves { continue }
          #expect(try await wire.response()?.status == 403)
        }
        if leaves { for _ in 0..<200 { #expect(try await wire.response()?.status == 403) } }
      }
      #expect(await fixture.isQuiet(upstream))
      let events = fixture.requestEvents
      #expect(events.allSatisfy { $0.reason == "host_not_allowed" && $0.decision == .deny })
      #expect(leaves ? (200...count).contains(events.count) : events.count == count)
      #expect(fixture.gateway.requestsUnderWay == 0)
    }
  }
}

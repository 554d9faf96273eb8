import NIOCore
import NIOHTTP1
import PalanaAPI
import PalanaAudit
import PalanaCore
import Synchronization
import Testing

@testable import PalanaLLM

/// Answers that come as events.
@Suite(.timeLimit(.minutes(2))) struct GatewayStreamTests {
  static let path = GatewayCallTests.path
  static func chat(_ more: String = "") -> String { GatewayCallTests.chat("gpt-4o-mini", #","stream":true\#(more)"#) }
  static func piece(_ text: String) -> String {
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\(text)\"},"
      + "\"finish_reason\":null}]}\n\n"
  }
  static let usage =
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,"
    + "\"total_tokens\":11}}\n\n"
  static let done = "data: [DONE]\n\n"

  /// Each event is with the agent before the next one is written.
  @Test func eventsArriveAsTheyCome() async throws {
    let (steps, step) = AsyncStream.makeStream(of: Int.self)
    try await TestUpstream.run({ _, answer in
      try await answer.beginStream()
      var next = steps.makeAsyncIterator()
      for number in 0..<5 {
        try await answer.send(Self.piece("\(number)"))
        _ = await next.next()
      }
      try await answer.send(Self.usage + Self.done)
      try await answer.end()
    }) { upstream in
      try await GatewayWorld.run([GatewayWorld.route([upstream.url])]) { world in
        let got = try await world.agent.open(Self.path, Self.chat()) { reader in
          let value1 = try await reader.head().status
          #expect(value1 == .ok)
          var got = ""
          for number in 0..<5 {
            while !got.hasSuffix(Self.piece("\(number)")) { got += try await reader.piece() ?? "" }
            step.yield(number)
          }
          while let piece = try await reader.piece() { got += piece }
          return got
        }
        // The usage was asked for by the gateway alone.
        #expect(got == (0..<5).map { Self.piece("\($0)") }.joined() + Self.done)
        #expect(upstream.requests.first?.body.contains(#""stream_options":{"include_usage":true}"#) == true)
        let event = try #require(try await world.trail.calls(1).first)
        #expect(event.details["inputTokens"] == "9")
        #expect(event.details["outputTokens"] == "2")
        #expect(event.details["estimated"] == nil)
      }
    }
  }

  @Test func whoAskedForTheUsageGetsIt() async throws {
    try await TestUpstream.run({ _, answer in
      try await answer.beginStream()
      try await answer.send(Self.piece("a") + Self.usage + Self.done)
      try await answer.end()
    }) { upstream in
      try await GatewayWorld.run([GatewayWorld.route([upstream.url])]) { world in
        let answer = try await world.agent.post(Self.path, Self.chat(#","stream_options":{"include_usage":true}"#))
        #expect(answer.body == Self.piece("a") + Self.usage + Self.done)
        #expect(answer.isWhole)
      }
    }
  }

  /// Without a word of the upstream the tokens are counted here.
  @Test func whatIsNotSaidIsEstimated() async throws {
    try await TestUpstream.run({ _, answer in
      try await answer.beginStream()
      try await answer.send(Self.piece("twelve bytes") + Self.done)
      try await answer.end()
    }) { upstream in
      try await GatewayWorld.run([GatewayWorld.route([upstream.url])]) { world in
        let value2 = try await world.agent.post(Self.path, Self.chat()).status
        #expect(value2 == 200)
        let event = try #require(try await world.trail.calls(1).first)
        #expect(event.details["estimated"] == "true")
        #expect(event.details["outputTokens"] == "4")
      }
    }
  }

  @Test func anAgentThatLeavesEndsTheUpstream() async throws {
    let (ends, end) = AsyncStream.makeStream(of: Void.self)
    try await TestUpstream.run({ _, answer in
      try await answer.beginStream()
      try await answer.send(Self.piece("a"))
      try await answer.gone()
      end.yield()
    }) { upstream in
      try await GatewayWorld.run([GatewayWorld.route([upstream.url])]) { world in
        _ = try await world.agent.open(Self.path, Self.chat()) { reader in try await reader.head() }
        var next = ends.makeAsyncIterator()
        _ = await next.next()
        let event = try #require(try await world.trail.calls(1).first)
        #expect(event.decision == .error)
        #expect(event.reason == "agent_left")
        #expect(event.details["estimated"] == "true")
        while await world.gateway.openConnections() > 0 { try await Task.sleep(for: .milliseconds(5)) }
      }
    }
  }

  /// A kill ends what is under way, and what comes after it gets no answer.
  @Test func aKillEndsAStreamInTheMiddle() async throws {
    let (ends, end) = AsyncStream.makeStream(of: Void.self)
    try await TestUpstream.run({ _, answer in
      try await answer.beginStream()
      try await answer.send(Self.piece("a"))
      try await answer.gone()
      end.yield()
    }) { upstream in
      try await GatewayWorld.run([GatewayWorld.route([upstream.url])]) { world in
        let isWhole = try await world.agent.open(Self.path, Self.chat()) { reader in
          _ = try await reader.head()
          _ = try await reader.piece()
          try await world.show(alice: true)
          do {
            while try await reader.piece() != nil {}
            return true
          } catch { return false }
        }
        #expect(!isWhole)
        var next = ends.makeAsyncIterator()
        _ = await next.next()
        let event = try #require(try await world.trail.calls(1).first)
        #expect(event.decision == .deny)
        #expect(event.reason == "agent_killed")
        let refused = try await world.agent.post(Self.path, Self.chat())
        #expect(refused.status == 403)
        #expect(refused.body.contains("agent_killed"))
        #expect(upstream.requests.count == 1)
      }
    }
  }

  /// What breaks off says so in the stream, and counts as far as it came.
  @Test func anUpstreamThatBreaksOff() async throws {
    try await TestUpstream.run({ _, answer in
      try await answer.beginStream()
      try await answer.send(Self.piece("twelve bytes"))
      try await Task.sleep(for: .milliseconds(50))
      try await answer.reset()
    }) { upstream in
      try await GatewayWorld.run([GatewayWorld.route([upstream.url])]) { world in
        let answer = try await world.agent.post(Self.path, Self.chat())
        #expect(answer.status == 200)
        #expect(answer.body.hasPrefix(Self.piece("twelve bytes")))
        #expect(answer.body.contains("upstream_unreachable"))
        #expect(!answer.body.contains("[DONE]"))
        let event = try #require(try await world.trail.calls(1).first)
        #expect(event.decision == .error)
        #expect(event.details["outputTokens"] == "4")
        #expect(upstream.requests.count == 1)
      }
    }
  }

  /// An agent that does not read holds the upstream up, not the gateway's memory.
  @Test func aSlowAgentSlowsItsUpstream() async throws {
    let most = 256 << 20
    let piece = Self.piece(String(repeating: "x", count: 60_000))
    let written = Counter()
    try await TestUpstream.run({ _, answer in
      try await answer.beginStream()
      while written.value < most {
        try await answer.send(piece)
        written.add(piece.utf8.count)
      }
      try await answer.end()
    }) { upstream in
      try await GatewayWorld.run([GatewayWorld.route([upstream.url])]) { world in
        try await world.agent.open(Self.path, Self.chat()) { reader in
          _ = try await reader.head()
          // It stops where the buffers of the sockets are full, long before its end.
          var before = -1
          while written.value != before {
            before = written.value
            try await Task.sleep(for: .milliseconds(200))
          }
          #expect(written.value < most / 2)
          var got = 0
          while let next = try await reader.piece() { got += next.utf8.count }
          #expect(got >= most)
        }
      }
    }
  }
}

final class Counter: Sendable {
  private let count = Mutex(0)
  var value: Int { count.withLock { $0 } }
  func add(_ number: Int) { count.withLock { $0 += number } }
}

import NIOHTTP1
import PalanaAPI
import PalanaAudit
import PalanaCore
import Synchronization
import Testing

@testable import PalanaLLM

/// A run that is stuck is cut off from models.
@Suite(.timeLimit(.minutes(2))) struct GatewayReasoningTests {
  private static let path = GatewayCallTests.path

  private static func chat(_ number: Int) -> String {
    #"{"model":"gpt-4o-mini","messages":[{"role":"user","content":"\#(String(repeating: "abcdefghij", count: number + 1))"}]}"#
  }

  @Test func callsOfARunAreCounted() async throws {
    try await TestUpstream.run({ _, answer in try await answer.whole(.ok, [], GatewayCallTests.completion()) }) { upstream in
      try await GatewayWorld.run([GatewayWorld.route([upstream.url])], reasoning: AgentReasoning(tier: .simple, maxCalls: 3)) { world in
        for number in 0..<3 {
          let status = try await world.agent.post(Self.path, Self.chat(number)).status
          #expect(status == 200)
        }
        for _ in 0..<2 {
          let refused = try await world.agent.post(Self.path, Self.chat(9))
          #expect(refused.status == 429)
          #expect(refused.body.contains("reasoning_limit") && refused.body.contains("3 are allowed"))
          #expect(refused.fields.first(name: "x-should-retry") == "false")
          #expect(refused.fields.first(name: "retry-after") == nil)
        }
        #expect(upstream.requests.count == 3)
        let models = try await world.agent.post("/unified/v1/models", "", method: .GET).status
        #expect(models == 200, "what is no call of a model passes")
        let other = try await world.other.post(Self.path, Self.chat(0)).status
        #expect(other == 200, "another agent has no limits")

        let calls = try await world.trail.calls(6)
        #expect(calls.filter { $0.reason == "reasoning_limit" && $0.decision == .deny }.count == 2)
        let trips = world.trail.events.filter { $0.action == "circuit-break" }
        #expect(trips.count == 1, "it is told once")
        #expect(trips.first?.details == ["limit": "calls", "count": "4", "bound": "3", "run": "run-1"])
        #expect(trips.first?.agent?.name == "demo")
        #expect(trips.first?.reason == "reasoning_limit")
        for await escalation in world.breaker.escalations {
          #expect(escalation.agent == world.alice.id && escalation.run == "run-1")
          break
        }
      }
    }
  }

  @Test func repeatsAreCounted() async throws {
    try await TestUpstream.run({ _, answer in try await answer.whole(.ok, [], GatewayCallTests.completion()) }) { upstream in
      try await GatewayWorld.run([GatewayWorld.route([upstream.url])], reasoning: AgentReasoning(maxRepeats: 2)) { world in
        var statuses: [Int] = []
        for number in 0..<4 {
          let text = #"{"model":"gpt-4o-mini","messages":[{"role":"user","content":"try \#(number): why does it fail?"}]}"#
          statuses.append(try await world.agent.post(Self.path, text).status)
        }
        #expect(statuses == [200, 200, 200, 429])
        #expect(world.trail.events.first { $0.action == "circuit-break" }?.details["limit"] == "repeats")
      }
    }
  }

  /// What no upstream can be told reached no model.
  @Test func whatIsNotSentDoesNotCount() async throws {
    try await TestUpstream.run({ _, answer in try await answer.whole(.ok, [], GatewayTranslationTests.message) }) { upstream in
      let route = GatewayTranslationTests.route([(upstream.url, .anthropic)])
      try await GatewayWorld.run([route], reasoning: AgentReasoning(maxCalls: 1)) { world in
        for _ in 0..<3 {
          let refused = try await world.agent.post(Self.path, GatewayCallTests.chat("claude-sonnet-4-5", #","n":2"#))
          #expect(refused.status == 400 && refused.body.contains("untranslatable"))
        }
        let first = try await world.agent.post(Self.path, Self.chat(1)).status
        let second = try await world.agent.post(Self.path, Self.chat(2)).status
        #expect(first == 200 && second == 429)
        #expect(upstream.requests.count == 1)
      }
    }
  }

  /// What fails through no fault of the agent's, and what its budget refuses, is tried again by SDKs: it is no step of its reasoning.
  @Test func failuresOfOthersDoNotCount() async throws {
    let count = Mutex(0)
    try await TestUpstream.run({ _, answer in
      let number = count.withLock { count in
        count += 1
        return count
      }
      // Statuses that the gateway itself does not try again.
      if number <= 6 {
        return try await answer.whole(number.isMultiple(of: 2) ? .tooManyRequests : .internalServerError, [], #"{"error":{}}"#)
      }
      try await answer.whole(.ok, [], GatewayCallTests.completion())
    }) { upstream in
      var route = GatewayWorld.route([upstream.url])
      route.retries = 0
      try await GatewayWorld.run([route], reasoning: AgentReasoning(maxCalls: 2, maxRepeats: 1)) { world in
        var statuses: [Int] = []
        for _ in 0..<9 { statuses.append(try await world.agent.post(Self.path, Self.chat(1)).status) }
        #expect(statuses.suffix(3) == [200, 200, 429])
        #expect(statuses.prefix(6).allSatisfy { $0 == 429 || $0 >= 500 })
        #expect(world.trail.events.count { $0.action == "circuit-break" } == 1)
      }
    }
  }
}

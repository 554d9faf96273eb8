import NIOHTTP1
import PalanaAPI
import PalanaAudit
import PalanaCore
import Testing

@testable import PalanaLLM

/// Upstreams that do not take a request, and budgets that do not.
@Suite(.timeLimit(.minutes(2))) struct GatewayFailoverTests {
  static let path = GatewayCallTests.path
  static let chat = GatewayCallTests.chat()
  /// Nobody listens there.
  static let dead = "http://127.0.0.1:1"

  private static func run(
    _ first: @escaping TestUpstream.Handler, change: @Sendable (inout LLMRoute) -> Void = { _ in },
    _ body: @Sendable (GatewayWorld, TestUpstream, TestUpstream) async throws -> Void
  ) async throws {
    try await TestUpstream.run(first) { failing in
      try await TestUpstream.run({ _, answer in try await answer.whole(.ok, [], GatewayCallTests.completion()) }) { working in
        var route = GatewayWorld.route([failing.url, working.url])
        route.upstreams[1].weight = 0
        change(&route)
        try await GatewayWorld.run([route]) { world in try await body(world, failing, working) }
      }
    }
  }

  @Test(arguments: [429, 503, 529]) func whatWasNotTakenGoesToAnother(_ status: Int) async throws {
    try await Self.run({ _, answer in
      try await answer.whole(HTTPResponseStatus(statusCode: status), [], #"{"error":{"message":"busy"}}"#)
    }) { world, failing, working in
      let answer = try await world.agent.post(Self.path, Self.chat)
      #expect(answer.status == 200)
      #expect(failing.requests.count == 1 && working.requests.count == 1)
      #expect(failing.requests.first?.body == working.requests.first?.body)
      let event = try #require(try await world.trail.calls(1).first)
      #expect(event.details["upstream"] == "u1")
      #expect(event.details["attempts"] == "2")
    }
  }

  /// Where each agent has a credential of its own, a limit of one's rate is nothing to the others; one of the route's is of all.
  @Test(arguments: [true, false]) func aLimitOfOneAgentIsNotTheOthers(_ isEachAgents: Bool) async throws {
    let limited = "\(GatewayWorld.key)-demo"
    try await Self.run(
      { request, answer in
        let isLimited = request.field("authorization")?.hasSuffix(limited) ?? false
        try await answer.whole(
          isLimited ? .tooManyRequests : .ok, [("retry-after", "30")], isLimited ? "{}" : GatewayCallTests.completion())
      }, change: { $0.upstreams[0].credential?.isEachAgents = isEachAgents }
    ) { world, first, second in
      // Three connections, so that each of the two event loops has both agents in turn.
      for _ in 0..<8 {
        for agent in [world.agent, world.agent, world.other] {
          let status = try await agent.post(Self.path, Self.chat).status
          #expect(status == 200)
        }
      }
      let others = first.requests.count { $0.field("authorization")?.hasSuffix("-other") ?? false }
      if isEachAgents { #expect(others == 8) } else { #expect(others < 8) }
      #expect(second.requests.count >= 8)
    }
  }

  /// It may have been worked on, and paid for.
  @Test(arguments: [500, 502, 504, 400, 404]) func whatMayHaveBeenTakenDoesNot(_ status: Int) async throws {
    try await Self.run({ _, answer in
      try await answer.whole(HTTPResponseStatus(statusCode: status), [], #"{"error":{"message":"broken"}}"#)
    }) { world, _, working in
      let answer = try await world.agent.post(Self.path, Self.chat)
      #expect(answer.status == status)
      #expect(answer.body == #"{"error":{"message":"broken"}}"#)
      #expect(working.requests.isEmpty)
    }
  }

  @Test func unlessTheRouteSaysSo() async throws {
    try await Self.run({ _, answer in try await answer.whole(.internalServerError, [], "{}") }, change: { $0.retriesUncertain = true }) {
      world, failing, working in
      let value1 = try await world.agent.post(Self.path, Self.chat).status
      #expect(value1 == 200)
      #expect(failing.requests.count == 1 && working.requests.count == 1)
    }
  }

  @Test func whatCannotBeReachedIsPassedBy() async throws {
    try await TestUpstream.run({ _, answer in try await answer.whole(.ok, [], GatewayCallTests.completion()) }) { working in
      var route = GatewayWorld.route([Self.dead, working.url])
      route.upstreams[1].weight = 0
      try await GatewayWorld.run([route]) { world in
        let value2 = try await world.agent.post(Self.path, Self.chat).status
        #expect(value2 == 200)
        #expect(working.requests.count == 1)
      }
    }
  }

  @Test func withNobodyLeftItIsSaid() async throws {
    var route = GatewayWorld.route([Self.dead])
    route.retries = 1
    try await GatewayWorld.run([route]) { world in
      let answer = try await world.agent.post(Self.path, Self.chat)
      #expect(answer.status == 502)
      #expect(answer.body.contains("upstream_unreachable"))
      let event = try #require(try await world.trail.calls(1).first)
      #expect(event.decision == .error)
      #expect(event.details["attempts"] == "2")
      // Nothing was used.
      #expect(event.details["cost"] == nil)
    }
  }

  /// The last one's own words are better than ours, and so is the pause that it wants.
  @Test func theLastRefusalIsTheAgents() async throws {
    try await TestUpstream.run({ _, answer in
      try await answer.whole(.tooManyRequests, [("retry-after", "60")], #"{"error":{"message":"slow down"}}"#)
    }) { upstream in
      try await GatewayWorld.run([GatewayWorld.route([upstream.url])]) { world in
        let answer = try await world.agent.post(Self.path, Self.chat)
        #expect(answer.status == 429)
        #expect(answer.fields.first(name: "retry-after") == "60")
        #expect(answer.body.contains("slow down"))
        #expect(upstream.requests.count == 1)
      }
    }
  }

  @Test func anUpstreamThatIsSilentIsGivenUp() async throws {
    try await TestUpstream.run({ _, answer in try await answer.gone() }) { upstream in
      var route = GatewayWorld.route([upstream.url])
      route.firstByteTimeout = .milliseconds(100)
      try await GatewayWorld.run([route]) { world in
        let answer = try await world.agent.post(Self.path, Self.chat)
        #expect(answer.status == 504)
        #expect(answer.body.contains("upstream_timeout"))
        #expect(upstream.requests.count == 1)
      }
    }
  }

  /// Exactly as many as the budget has go out, however many come at once.
  @Test func aHundredAtOnceCannotOverspend() async throws {
    try await TestUpstream.run({ _, answer in try await answer.whole(.ok, [], GatewayCallTests.completion()) }) { upstream in
      let budget = LLMBudget(
        metadata: ObjectMeta(name: try ResourceName("ten")),
        spec: LLMBudgetSpec(limits: [LLMBudgetLimit(window: .month, requests: 10)]))
      try await GatewayWorld.run([GatewayWorld.route([upstream.url])], budgets: [budget]) { world in
        let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
          for _ in 0..<100 { group.addTask { try await world.agent.post(Self.path, Self.chat).status } }
          return try await group.reduce(into: [Int: Int]()) { $0[$1, default: 0] += 1 }
        }
        #expect(statuses == [200: 10, 429: 90])
        #expect(upstream.requests.count == 10)
        let refused = try await world.agent.post(Self.path, Self.chat)
        #expect(refused.body.contains("budget_exceeded") && refused.body.contains("ten"))
        // The SDKs would take so long a pause for a short one.
        let pause = try #require(refused.fields.first(name: "retry-after").flatMap { Int($0) })
        #expect((refused.fields.first(name: "x-should-retry") == "false") == (pause > 60))
      }
    }
  }
}

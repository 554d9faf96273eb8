import PalanaAPI
import PalanaCore
import PalanaStore
import Synchronization
import Testing

@testable import PalanaLLM

/// What runs may do, and what is known of them after a restart.
@Suite(.timeLimit(.minutes(1))) struct ReasoningBreakerTests {
  private static func agent(_ name: String = "demo", of owner: String = "alice@example.com", run: String = "r1") throws -> LLMAgent {
    var agent = try GatewayWorld.agent(name, of: owner)
    agent.instance = run
    return agent
  }

  private static func distinct(_ number: Int) throws -> ConversationReading {
    try Conversation.of(.person(String(repeating: "abcdefghij", count: number + 1))).reading(.openAIChat)
  }

  private func with(
    _ mostRuns: Int = ReasoningBreaker.mostRuns, _ clock: TestClock = TestClock(), _ body: (ReasoningBreaker, String) async throws -> Void
  ) async throws {
    try await withFolder { folder in
      let ledger = try await Ledger.open(folder: folder, prices: .builtIn, clock: clock.wall, logger: quiet)
      try await body(try await ReasoningBreaker.open(ledger, mostRuns: mostRuns, clock: clock.wall, logger: quiet), folder)
    }
  }

  /// Calls until one is refused.
  ///
  /// - Returns: how many passed, and why not more.
  private func exhaust(
    _ breaker: ReasoningBreaker, _ agent: LLMAgent, _ limits: AgentReasoning, most: Int = 40,
    _ reading: (Int) throws -> ConversationReading = distinct
  ) throws -> (Int, ReasoningTrip?) {
    for number in 0..<most {
      if case .stuck(let trip, _) = breaker.admit(agent, limits, try reading(number), at: breaker.clock.now()) { return (number, trip) }
    }
    return (most, nil)
  }

  static let bounds: [(AgentReasoning, Int)] = [
    (AgentReasoning(tier: .simple), 8), (AgentReasoning(tier: .complex), 15), (AgentReasoning(tier: .complex, maxCalls: 3), 3),
    (AgentReasoning(tier: .simple, maxCalls: 20), 20), (AgentReasoning(maxCalls: 1), 1), (AgentReasoning(), 40),
  ]

  @Test(arguments: bounds) func calls(_ limits: AgentReasoning, _ most: Int) async throws {
    try await with { breaker, _ in
      let (passed, trip) = try exhaust(breaker, try Self.agent(), limits)
      #expect(passed == most)
      #expect(trip == (most == 40 ? nil : ReasoningTrip(limit: .calls, count: most + 1, bound: most)))
    }
  }

  @Test(arguments: [(nil, 3), (1, 1), (15, 15)]) func repeats(_ most: Int?, _ bound: Int) async throws {
    try await with { breaker, _ in
      let (passed, trip) = try exhaust(breaker, try Self.agent(), AgentReasoning(maxRepeats: most)) { number in
        try Conversation.of(.person("run \(number) failed, what now?")).reading(.openAIChat)
      }
      #expect(passed == bound + 1)
      #expect(trip == ReasoningTrip(limit: .repeats, count: bound + 1, bound: bound))
    }
  }

  /// What other prompts come between does not matter, as long as it is not too long ago.
  @Test func repeatsWithOthersBetween() async throws {
    try await with { breaker, _ in
      let (passed, trip) = try exhaust(breaker, try Self.agent(), AgentReasoning()) { number in
        number.isMultiple(of: 2) ? try Conversation.of(.person("again and again")).reading(.openAIChat) : try Self.distinct(number)
      }
      #expect(passed == 8)
      #expect(trip?.limit == .repeats)
    }
  }

  @Test(arguments: [(nil, 3), (1, 1), (15, 15)]) func toolLoops(_ most: Int?, _ bound: Int) async throws {
    try await with { breaker, _ in
      let (passed, trip) = try exhaust(breaker, try Self.agent(), AgentReasoning(maxToolLoops: most)) { number in
        // The tool answers differently each time: the prompts are not the same.
        let answers = (0...number).map { String(repeating: "abcdefghij", count: $0 + 1) }
        return try Conversation.of(answers.map { .tool("ls", "a", $0) }).reading(.openAIChat)
      }
      #expect(passed == bound + 1)
      #expect(trip == ReasoningTrip(limit: .toolLoops, count: bound + 1, bound: bound))
    }
  }

  @Test func aStuckRunStaysSoAndTheNextOneIsFree() async throws {
    try await with { breaker, _ in
      let (agent, limits) = (try Self.agent(), AgentReasoning(maxCalls: 1))
      _ = try exhaust(breaker, agent, limits)
      for _ in 0..<3 {
        guard case .stuck(_, isNew: false) = breaker.admit(agent, AgentReasoning(maxCalls: 100), .empty, at: breaker.clock.now()) else {
          Issue.record("it went on")
          return
        }
      }
      #expect(try exhaust(breaker, try Self.agent(run: "r2"), limits).0 == 1)
      #expect(try exhaust(breaker, try Self.agent("other"), limits).0 == 1, "another agent has a run of its own")
      let told = try await first(2, of: breaker)
      #expect(told.map(\.run) == ["r1", "r2"], "each is told once")
      #expect(told.first?.agent == agent.id)
    }
  }

  private func first(_ count: Int, of breaker: ReasoningBreaker) async throws -> [ReasoningBreaker.Escalation] {
    var told: [ReasoningBreaker.Escalation] = []
    for await escalation in breaker.escalations {
      told.append(escalation)
      if told.count == count { break }
    }
    return told
  }

  @Test func whatCameToNothingDoesNotCount() async throws {
    try await with { breaker, _ in
      let (agent, limits) = (try Self.agent(), AgentReasoning(maxCalls: 2, maxRepeats: 1))
      let same = try Conversation.of(.person("again")).reading(.openAIChat)
      for _ in 0..<20 {
        guard case .passed(let ticket) = breaker.admit(agent, limits, same, at: breaker.clock.now()) else {
          Issue.record("it counted")
          return
        }
        breaker.giveBack(ticket)
      }
      #expect(breaker.run(of: agent.id)?.calls == 0)
      #expect(try exhaust(breaker, agent, limits) { _ in same }.0 == 2)
    }
  }

  /// Twice the 95th percentile of the good runs of the owner in this tier, once there are twenty, where that is less.
  @Test func theRunsBeforeTighten() async throws {
    try await with { breaker, folder in
      func succeed(_ calls: Int, _ owner: String, _ tier: AgentReasoning.Tier, isSuccess: Bool = true, run: String) throws {
        let agent = try Self.agent("past", of: owner, run: run)
        for number in 0..<calls { _ = breaker.admit(agent, AgentReasoning(tier: tier), try Self.distinct(number), at: breaker.clock.now()) }
        breaker.end(agent.id, run: run, isSuccess: isSuccess)
        breaker.end(agent.id, run: run, isSuccess: isSuccess)
      }
      func most(_ owner: String, _ tier: AgentReasoning.Tier, _ run: String) throws -> Int {
        try exhaust(breaker, try Self.agent("now", of: owner, run: run), AgentReasoning(tier: tier)).0
      }
      for number in 0..<19 { try succeed(2, "alice@example.com", .simple, run: "a\(number)") }
      #expect(try most("alice@example.com", .simple, "x1") == 8, "19 are not enough")
      try succeed(7, "alice@example.com", .simple, isSuccess: false, run: "bad")
      #expect(try most("alice@example.com", .simple, "x2") == 8, "a bad run says nothing")
      try succeed(9, "alice@example.com", .simple, run: "stuck")
      #expect(try most("alice@example.com", .simple, "x3") == 8, "nor does one that was stuck")
      try succeed(3, "alice@example.com", .simple, run: "a20")
      #expect(try most("alice@example.com", .simple, "x4") == 4, "the 19th of 20 took two")
      #expect(try most("alice@example.com", .complex, "x5") == 15, "of another tier")
      #expect(try most("bob@example.com", .simple, "x6") == 8, "of somebody else")
      // Those of the past that took long do not loosen it.
      for number in 0..<30 { try succeed(7, "bob@example.com", .simple, run: "b\(number)") }
      #expect(try most("bob@example.com", .simple, "x7") == 8)
      await breaker.write()
      let again = try await reopen(folder)
      #expect(try exhaust(again, try Self.agent("now", run: "y1"), AgentReasoning(tier: .simple)).0 == 4, "it survives a restart")
      #expect(
        try exhaust(again, try Self.agent("now", run: "y2"), AgentReasoning(tier: .simple, maxCalls: 3)).0 == 3, "the lower one holds")
    }
  }

  private func reopen(_ folder: String) async throws -> ReasoningBreaker {
    let store = try await withFolder { copy in
      try copyFolder(folder, to: copy)
      let ledger = try await Ledger.open(folder: copy, prices: .builtIn, logger: quiet)
      let (open, good) = (try await ledger.store.openRuns(since: Timestamp(seconds: 0), limit: 100), try await ledger.store.goodRuns())
      return (ledger.store, open, good)
    }
    return ReasoningBreaker(store: store.0, open: store.1, good: store.2, mostRuns: 1_000, clock: TestClock().wall, logger: quiet)
  }

  @Test func openRunsSurviveARestart() async throws {
    try await with { breaker, folder in
      let limits = AgentReasoning(tier: .simple, maxCalls: 5)
      let (open, stuck, ended) = (try Self.agent("open"), try Self.agent("stuck"), try Self.agent("ended"))
      for number in 0..<3 { _ = breaker.admit(open, limits, try Self.distinct(number), at: breaker.clock.now()) }
      _ = try exhaust(breaker, stuck, limits)
      _ = try exhaust(breaker, ended, limits, most: 2)
      await breaker.write()
      breaker.end(ended.id, run: ended.instance, isSuccess: true)
      await breaker.write()
      let again = try await reopen(folder)
      #expect(again.run(of: open.id)?.calls == 3)
      #expect(again.run(of: ended.id) == nil)
      #expect(try exhaust(again, open, limits).0 == 2)
      guard case .stuck(let trip, isNew: false) = again.admit(stuck, limits, .empty, at: again.clock.now()) else {
        Issue.record("it is free again")
        return
      }
      #expect(trip == ReasoningTrip(limit: .calls, count: 6, bound: 5))
      let told = try await first(1, of: again)
      #expect(told.map(\.agent) == [stuck.id], "that it is stuck is told again: perhaps nobody heard it")
    }
  }

  /// A database that says no loses nothing.
  @Test func whatCannotBeWrittenIsKept() async throws {
    try await with { breaker, folder in
      let agent = try Self.agent()
      _ = try exhaust(breaker, agent, AgentReasoning(tier: .simple), most: 2)
      let all = breaker.all.map { shard in shard.book.withLock { $0.take() } }
      for (shard, part) in zip(breaker.all, all) { shard.book.withLock { $0.putBack(part) } }
      breaker.end(agent.id, run: agent.instance, isSuccess: true)
      let ends = breaker.all.map { shard in shard.book.withLock { $0.take() } }
      for (shard, part) in zip(breaker.all, ends) { shard.book.withLock { $0.putBack(part) } }
      let isWritten = await breaker.write()
      #expect(isWritten)
      #expect(try await breaker.store.goodRuns().map(\.calls) == [2])
      #expect(try await breaker.store.openRuns(since: Timestamp(seconds: 0), limit: 10).isEmpty)
    }
  }

  @Test func theOldestIsForgotten() async throws {
    let clock = TestClock()
    try await with(ReasoningBreaker.shards, clock) { breaker, _ in
      let limits = AgentReasoning(maxCalls: 2)
      let agents = try (0..<200).map { try Self.agent("a\($0)") }
      for agent in agents {
        clock.advance(1)
        _ = breaker.admit(agent, limits, .empty, at: clock.now)
      }
      #expect(agents.count { breaker.run(of: $0.id) != nil } <= ReasoningBreaker.shards)
      #expect(breaker.run(of: try #require(agents.last).id) != nil)
      // One that is stuck is not forgotten for others.
      let stuck = try Self.agent("stuck")
      _ = try exhaust(breaker, stuck, limits)
      let before = agents.count { breaker.run(of: $0.id) != nil }
      #expect(breaker.run(of: stuck.id)?.trip != nil)
      #expect(before < ReasoningBreaker.shards)
    }
  }

  @Test func manyAtOnceAreCountedOnce() async throws {
    try await with { breaker, _ in
      let agent = try Self.agent()
      let passed = await withTaskGroup(of: Int.self) { group in
        for _ in 0..<8 {
          group.addTask {
            var passed = 0
            for _ in 0..<50 {
              if case .passed = breaker.admit(agent, AgentReasoning(maxCalls: 37), .empty, at: breaker.clock.now()) { passed += 1 }
            }
            return passed
          }
        }
        return await group.reduce(0, +)
      }
      #expect(passed == 37)
    }
  }
}

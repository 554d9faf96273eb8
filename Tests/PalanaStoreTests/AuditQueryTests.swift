import Foundation
import PalanaAudit
import PalanaCore
import PalanaStore
import ServiceLifecycle
import Testing

@Suite struct AuditQueryTests {
  /// A log with a small history of two owners.
  private func withLog<T>(_ body: (AuditLog, AuditSpool.Writer) async throws -> T) async throws -> T {
    try await withFolder { folder in
      let spool = try AuditSpool(directory: folder + "/spool")
      let log = try await AuditLog.open(path: folder + "/audit.sqlite", spool: spool, logger: quiet)
      let writer = spool.makeWriter(label: "test")
      try writer.record(egressEvent(0, host: "api.github.com"))
      try writer.record(egressEvent(1, host: "uploads.github.com", decision: .deny))
      try writer.record(egressEvent(2, agent: "other", host: "github.com"))
      try writer.record(egressEvent(3, owner: "bob@example.com", host: "api.github.com"))
      var killed = AuditEvent(
        time: Timestamp(seconds: 1_790_000_004), component: .kill, action: "kill", decision: .info, severity: .critical,
        agent: try agentRef(), actor: try identity("root"))
      killed.details = ["network_ms": "2.5"]
      try writer.record(killed)
      try writer.record(
        AuditEvent(
          time: Timestamp(seconds: 1_790_000_005), component: .auth, action: "login", decision: .allow,
          actor: try identity("alice@example.com")))
      try writer.record(
        AuditEvent(
          time: Timestamp(seconds: 1_790_000_006), component: .policy, action: "reload", decision: .error, reason: "x"))
      return try await body(log, writer)
    }
  }

  @Test(arguments: [
    (AuditQuery(), [1, 2, 3, 4, 5, 6, 7]),
    (AuditQuery(limit: 2), [6, 7]),
    (AuditQuery(afterSeq: 2, limit: 3), [3, 4, 5]),
    (AuditQuery(afterSeq: 6), [7]),
    (AuditQuery(afterSeq: 7), []),
    (AuditQuery(beforeSeq: 5, limit: 2), [3, 4]),
    (AuditQuery(afterSeq: 2, beforeSeq: 5), [3, 4]),
    (AuditQuery(beforeSeq: 1), []),
    (AuditQuery(agent: "demo"), [1, 2, 4, 5]),
    (AuditQuery(agent: "demo-af04296fd8"), [1, 2, 5]),
    (AuditQuery(agent: "nobody"), []),
    (AuditQuery(host: "api.github.com"), [1, 4]),
    (AuditQuery(host: "API.GitHub.com"), [1, 4]),
    (AuditQuery(host: "*.github.com"), [1, 2, 4]),
    (AuditQuery(host: "**.github.com"), [1, 2, 4]),
    (AuditQuery(host: "*.g_thub.com"), []),
    (AuditQuery(host: "*.%"), []),
    (AuditQuery(host: "' OR 1=1 --"), []),
    (AuditQuery(component: .kill), [5]),
    (AuditQuery(component: .egress, decision: .deny), [2]),
    (AuditQuery(decision: .error), [7]),
    (AuditQuery(severity: .critical), [5]),
    (AuditQuery(severity: .normal, limit: 1), [7]),
    (AuditQuery(since: Timestamp(seconds: 1_790_000_003), until: Timestamp(seconds: 1_790_000_006)), [4, 5, 6]),
  ])
  func filters(_ query: AuditQuery, _ expected: [Int64]) async throws {
    try await withLog { log, _ in
      let found = try await log.query(query, scope: .everything)
      #expect(found.map(\.seq) == expected)
      #expect(try await numbers(log.history(query, scope: .everything)) == expected)
    }
  }

  @Test func historyHasNoBoundAndEndsWhereItWasOpened() async throws {
    try await withFolder { folder in
      let spool = try AuditSpool(directory: folder + "/spool")
      let log = try await AuditLog.open(path: folder + "/audit.sqlite", spool: spool, logger: quiet)
      let writer = spool.makeWriter(label: "test")
      let total: Int64 = 10_501
      for number in 0..<Int(total) { try writer.record(egressEvent(number, decision: number % 2 == 0 ? .allow : .deny)) }
      let all = try await log.history(AuditQuery(limit: 0), scope: .everything)
      try writer.record(egressEvent(0))
      try await log.drain()
      #expect(all.end == total)
      // The lines of a long export are one chain.
      var verifier = AuditVerifier()
      for try await record in all { verifier.add(line: record.line) }
      let result = verifier.finish(expecting: total)
      #expect(result.isIntact && result.checked == total && result.firstSeq == 1)
      // More than one page, from either side, and with a filter.
      let newest = try await numbers(log.history(AuditQuery(limit: 10_400), scope: .everything))
      #expect(newest == Array((total + 1 - 10_399)...(total + 1)))
      let denied = try await numbers(log.history(AuditQuery(decision: .deny, limit: 700), scope: .everything))
      #expect(denied.count == 700 && denied.last == total - 1 && denied.first == total - 1 - 1398)
      let oldest = try await numbers(log.history(AuditQuery(afterSeq: 5, limit: 1200), scope: .everything))
      #expect(oldest == Array(6...1205))
    }
  }

  /// Pages are read at the consumer's pace, and retention does not wait for a slow one.
  @Test func recordsThatAreRemovedMeanwhileAreNoSilentGap() async throws {
    try await withFolder { folder in
      let spool = try AuditSpool(directory: folder + "/spool")
      let clock = WallClock { Timestamp(seconds: 1_790_000_000 + 2000) }
      let log = try await AuditLog.open(path: folder + "/audit.sqlite", spool: spool, clock: clock, logger: quiet)
      let writer = spool.makeWriter(label: "test")
      for number in 0..<1200 { try writer.record(egressEvent(number)) }
      var reader = try await log.history(AuditQuery(limit: 0), scope: .everything).makeAsyncIterator()
      #expect(try await reader.next()?.seq == 1)
      // What the reader has behind it may go.
      #expect(try await log.removeEvents(olderThan: .seconds(2000 - 400)) == 400)
      for seq in 2...501 as ClosedRange<Int64> { #expect(try await reader.next()?.seq == seq) }
      #expect(try await log.removeEvents(olderThan: .seconds(2000 - 1100)) == 700)
      for seq in 502...1000 as ClosedRange<Int64> { #expect(try await reader.next()?.seq == seq) }
      let error = await #expect(throws: PalanaError.self) { try await reader.next() }
      #expect(error?.code == .conflict && error?.message.contains("1001 to 1100") == true, "\(String(describing: error))")
      // Whoever begins now begins with what is there.
      let rest = try await numbers(log.history(AuditQuery(limit: 0), scope: .everything))
      #expect(rest.first == 1101 && rest.count == 102)
    }
  }

  @Test func ownersSeeTheirOwnOnly() async throws {
    try await withLog { log, _ in
      let alice = try identity("alice@example.com")
      let bob = try identity("bob@example.com")
      #expect(try await log.query(AuditQuery(), scope: .owner(alice)).map(\.seq) == [1, 2, 3, 5, 6])
      #expect(try await log.query(AuditQuery(), scope: .owner(bob)).map(\.seq) == [4])
      #expect(try await log.query(AuditQuery(owner: alice), scope: .owner(bob)).isEmpty)
      #expect(try await log.query(AuditQuery(owner: bob), scope: .everything).map(\.seq) == [4])
      #expect(try await log.query(AuditQuery(), scope: .owner(try identity("nobody"))).isEmpty)
    }
  }

  @Test func followingShowsWhatComes() async throws {
    try await withLog { log, writer in
      try await log.drain()
      let fromNow = log.follow(AuditQuery(decision: .deny), scope: .everything)
      let fromStart = log.follow(AuditQuery(decision: .deny, afterSeq: 0), scope: .everything)
      try writer.record(egressEvent(10))
      try writer.record(egressEvent(11, decision: .deny))
      async let first: [Int64] = take(1, from: fromNow)
      async let second: [Int64] = take(2, from: fromStart)
      try await log.drain()
      #expect(try await first == [9])
      #expect(try await second == [2, 9])
    }
  }

  @Test func followingEndsWhenItsTaskIsCancelled() async throws {
    try await withLog { log, _ in
      let task = Task { try await take(100, from: log.follow(AuditQuery(), scope: .everything)) }
      task.cancel()
      let seen = try await task.value
      #expect(seen == [])
    }
  }

  @Test func theServiceDrainsServesFollowersAndStops() async throws {
    try await withFolder { folder in
      let spool = try AuditSpool(directory: folder + "/spool")
      let log = try await AuditLog.open(
        path: folder + "/audit.sqlite", spool: spool, retention: .seconds(3600), logger: quiet)
      let group = ServiceGroup(configuration: .init(services: [.init(service: log)], logger: quiet))
      let writer = spool.makeWriter(label: "test")
      try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask { try await group.run() }
        let follow = log.follow(AuditQuery(), scope: .everything)
        // Nothing calls `drain`: the writer wakes the service.
        async let seen = take(3, from: follow)
        for _ in 0..<3 { try writer.record(recent()) }
        #expect(try await seen == [1, 2, 3])
        let rest = Task { try await take(100, from: log.follow(AuditQuery(afterSeq: 3), scope: .everything)) }
        for _ in 0..<50 { try writer.record(recent()) }
        await group.triggerGracefulShutdown()
        try await tasks.waitForAll()
        // Whatever was accepted before the stop is in the chain, and the follower ends.
        #expect(try await rest.value == Array(4...53))
        #expect(spool.waitingBytes == 0)
      }
    }
  }

  private func recent() throws -> AuditEvent {
    AuditEvent(
      time: WallClock.system.now(), component: .egress, action: "request", decision: .allow, agent: try agentRef())
  }

  private func numbers(_ history: AuditHistory) async throws -> [Int64] {
    var seen: [Int64] = []
    for try await record in history { seen.append(record.seq) }
    return seen
  }

  private func take(_ count: Int, from follow: AuditFollow) async throws -> [Int64] {
    var seen: [Int64] = []
    for try await record in follow {
      seen.append(record.seq)
      if seen.count == count { break }
    }
    return seen
  }
}

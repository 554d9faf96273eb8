import Foundation
import PalanaAudit
import PalanaCore
import Synchronization
import Testing

@testable import PalanaStore

/// What a collector takes of others' chains into its own.
@Suite struct CollectTests {
  private static let gateway = "system:serviceaccount:palana-system:palana-gateway"
  private static let chain = String(repeating: "a", count: 32)

  private func source(_ account: String = gateway, pod: String = "palana-gateway-0") throws -> AuditSource {
    try AuditSource(chain: Self.chain, account: account, pod: pod)
  }

  /// A log with nothing in it.
  private func open(_ folder: String, _ name: String, clock: WallClock = .system) async throws -> AuditLog {
    let spool = try AuditSpool(directory: "\(folder)/\(name)-spool")
    return try await AuditLog.open(path: "\(folder)/\(name).sqlite", spool: spool, clock: clock, logger: quiet)
  }

  /// So many events of a gateway in a log of its own.
  private func sender(
    _ folder: String, _ name: String = "sender", events: Int, from first: Int = 0, clock: WallClock = .system
  ) async throws -> AuditLog {
    let log = try await open(folder, name, clock: clock)
    let writer = log.spool.makeWriter(label: "test")
    for number in 0..<events { try writer.record(egressEvent(first + number)) }
    try await log.drain()
    return log
  }

  private func batch(_ log: AuditLog, after seq: Int64 = 0, limit: Int = 1000) async throws -> AuditBatch {
    try AuditBatch(parsing: await log.export(after: seq, limit: limit).lines)
  }

  private func events(_ log: AuditLog) async throws -> [AuditEvent] {
    try await log.query(AuditQuery(limit: 10_000), scope: .everything).map(\.event)
  }

  @Test func whatIsTakenSaysWhereItComesFromAndVerifies() async throws {
    try await withFolder { folder in
      let (collector, sender) = (try await open(folder, "collector"), try await self.sender(folder, events: 5))
      let own = collector.spool.makeWriter(label: "test")
      try own.record(egressEvent(99))
      try await collector.drain()
      let taken = try await collector.collect(batch(sender), from: source())
      let head = try await sender.headLink()
      #expect(taken == head)
      #expect(try await collector.collected(from: source()) == taken)
      let events = try await events(collector)
      #expect(events.map(\.origin?.seq) == [nil, 1, 2, 3, 4, 5])
      #expect(events[1].origin == .init(account: Self.gateway, pod: "palana-gateway-0", chain: Self.chain, seq: 1))
      #expect(try await collector.verify().isIntact)
      // Without the origin it is, byte for byte, what the sender wrote.
      let record = try await collector.query(AuditQuery(pod: "palana-gateway-0"), scope: .everything)[2]
      let sent = try await sender.query(AuditQuery(), scope: .everything)[2]
      let end = try #require(record.stored?.range(of: #","origin":"#)?.lowerBound)
      #expect(record.stored.map { String($0[..<end]) + "}" } == sent.stored)
      #expect(try await collector.query(AuditQuery(pod: "palana-gateway-1"), scope: .everything).isEmpty)
      // An export says the same without the database.
      var verifier = AuditVerifier(noted: try await collector.headLink())
      for line in try await collector.export(after: 0, limit: 100).lines.split(separator: 10) { verifier.add(line: line) }
      #expect(verifier.finish().isIntact)
    }
  }

  @Test func eachRecordIsTakenOnce() async throws {
    try await withFolder { folder in
      let (collector, sender) = (try await open(folder, "collector"), try await self.sender(folder, events: 6))
      let from = try source()
      for (after, limit, wanted) in [(0, 2, 2), (0, 2, 2), (0, 4, 4), (1, 2, 4), (4, 2, 6), (0, 6, 6)] {
        let taken = try await collector.collect(batch(sender, after: Int64(after), limit: limit), from: from)
        #expect(taken.seq == wanted, "\(after) \(limit)")
      }
      #expect(try await events(collector).map(\.origin?.seq) == [1, 2, 3, 4, 5, 6])
    }
  }

  @Test func gapsAndBreaksAreTakenAndSaid() async throws {
    try await withFolder { folder in
      let sender = try await self.sender(folder, events: 6)
      let other = try await self.sender(folder, "other", events: 6, from: 50)
      var edited = try await batch(sender, after: 2, limit: 1)
      let changed = String(decoding: try await sender.export(after: 2, limit: 1).lines, as: UTF8.self).replacing("GET", with: "PUT")
      edited = try AuditBatch(parsing: Array(changed.utf8))
      let two = try await batch(sender, limit: 2)
      let cases: [(String, [AuditBatch], String, [String: String], [Int64])] = [
        ("the beginning", [try await batch(sender, after: 3)], "audit_records_missing", ["from": "1", "through": "3"], [4, 5, 6]),
        ("a gap", [two, try await batch(sender, after: 4)], "audit_records_missing", ["from": "3", "through": "4"], [1, 2, 5, 6]),
        ("a break", [two, try await batch(other, after: 2, limit: 1)], "audit_chain_differs", ["seq": "2"], [1, 2, 3]),
        ("another one", [two, try await batch(other, limit: 2)], "audit_chain_differs", ["seq": "2"], [1, 2]),
        ("an edit", [two, edited], "audit_record_edited", ["seq": "3"], [1, 2, 3]),
      ]
      for (name, batches, reason, place, numbers) in cases {
        let collector = try await open(folder, "collector-\(reason)-\(numbers.count)-\(name.count)")
        for batch in batches { try await collector.collect(batch, from: source()) }
        let events = try await events(collector)
        #expect(events.compactMap(\.origin?.seq) == numbers, "\(name)")
        let findings = events.filter { $0.origin == nil }
        #expect(findings.map(\.reason) == [reason], "\(name)")
        #expect(findings.first?.severity == .critical && findings.first?.action == "collect", "\(name)")
        let who = ["account": Self.gateway, "pod": "palana-gateway-0", "chain": Self.chain]
        #expect(findings.first?.details == who.merging(place) { first, _ in first }, "\(name)")
        #expect(try await collector.verify().isIntact, "\(name)")
      }
    }
  }

  /// The same name of a chain with another account or pod is another chain: nobody moves what is known of others.
  @Test func aForeignClaimTouchesNothing() async throws {
    try await withFolder { folder in
      let (collector, sender) = (try await open(folder, "collector"), try await self.sender(folder, events: 4))
      try await collector.collect(batch(sender, limit: 2), from: source())
      let evil = try await self.sender(folder, "evil", events: 9, from: 70)
      for claim in [try source("system:serviceaccount:palana-system:palana-operator"), try source(pod: "palana-gateway-1")] {
        #expect(try await collector.collected(from: claim).seq == 0)
        try await collector.collect(batch(evil), from: claim)
        #expect(try await collector.collected(from: claim).seq == 9)
      }
      #expect(try await collector.collected(from: source()).seq == 2)
      #expect(try await collector.collect(batch(sender), from: source()).seq == 4)
      let own = try await collector.query(AuditQuery(pod: "palana-gateway-0"), scope: .everything).filter {
        $0.event.origin?.account == Self.gateway
      }
      #expect(own.map(\.event.origin?.seq) == [1, 2, 3, 4])
      #expect(throws: PalanaError.self) { try AuditSource(chain: "../x", account: "a", pod: "p") }
    }
  }

  @Test func whatIsNoEventBecomesAFindingAndTheRestComesIn() async throws {
    try await withFolder { folder in
      let collector = try await open(folder, "collector")
      func good(_ number: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        AuditEncoder.encode(try egressEvent(number), into: &bytes)
        return bytes
      }
      let plain = String(decoding: try good(1), as: UTF8.self).dropLast()
      let strange: [String] = [
        "{}", #"{"time":"x"}"#, plain + #","origin":{"account":"a","pod":"p","chain":"c","seq":1}}"#, plain + #","origin":null}"#,
        plain + #","\u006frigin":{"account":"a","pod":"p","chain":"c","seq":1}}"#, plain + ",\"x\":\"\u{1}\"}", plain + #","x":[}}"#,
        plain + #","secrets":[]}"#, plain + #","durationMs":"long"}"#,
      ]
      var lines: [UInt8] = []
      var (seq, hash) = (Int64(0), AuditChain.Hash.zero)
      for event in [try good(2)] + strange.map({ Array($0.utf8) }) + [Array(plain.utf8) + [44, 34, 0xff, 34, 58, 49, 125], try good(3)] {
        seq += 1
        let next = AuditChain.hash(seq: seq, event: event, previous: hash)
        lines += AuditChain.line(seq: seq, event: event, previous: hash, hash: next) + [10]
        hash = next
      }
      let taken = try await collector.collect(AuditBatch(parsing: lines), from: source())
      #expect(taken == .init(seq: seq, hash: hash.description))
      let events = try await events(collector)
      #expect(events.compactMap(\.origin?.seq) == [1, seq])
      #expect(events.filter { $0.reason == "audit_record_unreadable" }.compactMap { $0.details["seq"] } == (2..<seq).map { "\($0)" })
      #expect(events.dropFirst().dropLast().allSatisfy { $0.severity == .critical && $0.details["sha256"]?.count == 64 })
      #expect(try await collector.verify().isIntact)
    }
  }

  @Test func manyFindingsAreCountedNotWrittenDown() async throws {
    try await withFolder { folder in
      let (collector, sender) = (try await open(folder, "collector"), try await self.sender(folder, events: 100))
      var lines: [UInt8] = []
      for number in stride(from: 1, to: 100, by: 2) { lines += try await sender.export(after: Int64(number), limit: 1).lines }
      try await collector.collect(AuditBatch(parsing: lines), from: source())
      let findings = try await events(collector).filter { $0.origin == nil }
      #expect(findings.count == 21 && findings.last?.details["findings"] == "50")
    }
  }

  @Test func aDiskThatIsNearlyFullTakesNothing() async throws {
    try await withFolder { folder in
      let (collector, sender) = (try await open(folder, "collector"), try await self.sender(folder, events: 2))
      let batch = try await batch(sender)
      let error = await #expect(throws: PalanaError.self) { try await collector.collect(batch, from: source(), reserve: .max - 1) }
      #expect(error?.code == .unreachable)
      #expect(try await collector.collected(from: source()).seq == 0)
      #expect(try await events(collector).isEmpty)
    }
  }

  @Test func onlyWhatWasCollectedAndIsOldIsRemoved() async throws {
    try await withFolder { folder in
      // Half of the events, which are a second apart, are older than an hour.
      let log = try await self.sender(folder, events: 1000, clock: WallClock { Timestamp(seconds: 1_790_000_500) + .seconds(3600) })
      #expect(try await log.removeCollected(through: 0, olderThan: .seconds(3600)) == 0, "what is not collected stays")
      #expect(try await log.removeCollected(through: 200, olderThan: .seconds(3600)) == 0, "not for a few")
      #expect(try await log.removeCollected(through: 400, olderThan: .seconds(3600)) == 400)
      #expect(try await log.removeCollected(through: .max, olderThan: .seconds(3600)) == 0, "a hundred are old")
      #expect(try await log.removeCollected(through: .max, olderThan: .seconds(3000)) == 600)
      #expect(try await log.verify().isIntact)
      // What is left is sent from where it begins, and the collector that has the rest sees no gap.
      let collector = try await open(folder, "collector")
      let whole = try await self.sender(folder, "whole", events: 1000)
      try await collector.collect(batch(whole), from: source())
      try await collector.collect(batch(log, after: 1000), from: source())
      #expect(try await events(collector).filter { $0.severity == .critical }.isEmpty)
      #expect(try await collector.collected(from: source()).seq == 1002)
    }
  }

  /// Otherwise whoever can send events could have everything be kept for ever.
  @Test func theTimeThatASenderSaysKeepsNothing() async throws {
    try await withFolder { folder in
      let day = Day()
      let collector = try await open(folder, "collector", clock: WallClock { day.now })
      let sender = try await open(folder, "sender")
      let writer = sender.spool.makeWriter(label: "test")
      for time in [4_000_000_000, 1] as [Int64] {
        try writer.record(AuditEvent(time: Timestamp(seconds: time), component: .egress, action: "request", decision: .allow))
      }
      try await sender.drain()
      try await collector.collect(batch(sender), from: source())
      let own = collector.spool.makeWriter(label: "test")
      try own.record(AuditEvent(time: day.now, component: .kill, action: "kill", decision: .info))
      try await collector.drain()
      #expect(try await collector.removeEvents(olderThan: .seconds(86_400)) == 0)
      day.pass(2)
      #expect(try await collector.removeEvents(olderThan: .seconds(86_400)) == 2)
      #expect(try await collector.verify().isIntact)
    }
  }

  @Test func sourcesOfLongAgoAreForgotten() async throws {
    try await withFolder { folder in
      let day = Day()
      let collector = try await open(folder, "collector", clock: WallClock { day.now })
      let sender = try await self.sender(folder, events: 3)
      try await collector.collect(batch(sender), from: source())
      day.pass(1)
      _ = try await collector.removeEvents(olderThan: .seconds(2 * 86_400))
      #expect(try await collector.collected(from: source()).seq == 3)
      day.pass(2)
      _ = try await collector.removeEvents(olderThan: .seconds(2 * 86_400))
      #expect(try await collector.collected(from: source()).seq == 0)
    }
  }
}

/// A clock that is moved by days.
private final class Day: Sendable {
  private let days = Mutex(Int64(0))
  var now: Timestamp { Timestamp(seconds: 1_800_000_000 + 86_400 * days.withLock { $0 }) }
  func pass(_ count: Int64) { days.withLock { $0 += count } }
}

import Foundation
import GRDB
import PalanaAudit
import PalanaCore
import Synchronization
import Testing

@testable import PalanaBootstrap
@testable import PalanaStore

/// A trail and its collector over real sockets: each event arrives once, in its order, whatever happens on the way.
@Suite(.timeLimit(.minutes(2)))
struct AuditForwarderTests {
  private static let pace: AuditForwarder.Pace = {
    var pace = AuditForwarder.Pace()
    pace.gather = .milliseconds(1)
    pace.first = .milliseconds(5)
    pace.most = .milliseconds(20)
    return pace
  }()

  private struct World {
    let folder: String
    let relay: Relay
    let settings: CollectorSettings

    func token(_ text: String) throws { try text.write(toFile: settings.tokenFile, atomically: true, encoding: .utf8) }
    /// - Parameter farewell: nil: as long as it takes.
    func forwarder(_ log: AuditLog, farewell: Duration? = nil) -> AuditForwarder {
      var pace = pace
      pace.farewell = farewell ?? .seconds(60)
      return AuditForwarder(log, to: settings, pace: pace, logger: quiet)
    }
  }

  private func withWorld(_ body: (World) async throws -> Void) async throws {
    try await withFolder { folder in
      let relay = try await Relay()
      var settings = CollectorSettings()
      settings.url = "http://127.0.0.1:\(relay.port)"
      settings.tokenFile = folder + "/token"
      let world = World(folder: folder, relay: relay, settings: settings)
      try world.token("sender-g-0\n")
      try await body(world)
      await relay.close()
    }
  }

  private func numbers(_ events: [AuditEvent]) -> [Int] { events.compactMap { $0.details["number"].flatMap { Int($0) } } }

  private func critical(_ log: AuditLog) async throws -> [AuditEvent] {
    try await log.query(AuditQuery(severity: .critical), scope: .everything).map(\.event)
  }

  @Test func whatIsRecordedArrivesInOrder() async throws {
    try await withWorld { world in
      let collector = try await Collector(world.folder + "/collector")
      let (log, writer) = try await openLog(world.folder + "/sender")
      for number in 0..<1200 { try writer.record(event(number)) }
      try await collector.answering(world.relay) {
        try await running([log, world.forwarder(log)]) {
          #expect(numbers(try await collector.taken(1200)) == Array(0..<1200))
          for number in 1200..<1210 { try writer.record(event(number)) }
          #expect(numbers(try await collector.taken(1210)) == Array(0..<1210))
        }
        #expect(try await critical(collector.log).isEmpty)
        #expect(try await collector.log.verify().isIntact)
      }
    }
  }

  @Test func whatTheCollectorHasIsRemovedWhenItIsOld() async throws {
    try await withWorld { world in
      let (log, writer) = try await openLog(world.folder + "/sender")
      // All of them are older than an hour; the collector is down.
      for number in 0..<600 { try writer.record(event(number)) }
      try await log.drain()
      func oldest() async throws -> Int64? { try await log.query(AuditQuery(afterSeq: 0, limit: 1), scope: .everything).first?.seq }
      try await running([log, world.forwarder(log, farewell: .milliseconds(50))]) {
        for await _ in world.relay.arrivals { break }
        let first = try await oldest()
        #expect(first == 1)
      }
      var first = try await oldest()
      #expect(first == 1, "what is not collected stays")
      let collector = try await Collector(world.folder + "/collector")
      try await collector.answering(world.relay) {
        try await running([world.forwarder(log)]) {
          let taken = try await collector.taken(600)
          #expect(numbers(taken) == Array(0..<600))
        }
      }
      // The first batch has 500.
      first = try await oldest()
      #expect(first == 501)
      #expect(try await log.verify().isIntact)
    }
  }

  @Test func aCollectorThatIsDownHoldsNobodyUpAndMissesNothing() async throws {
    try await withWorld { world in
      let (log, writer) = try await openLog(world.folder + "/sender")
      try await running([log, world.forwarder(log, farewell: .milliseconds(50))]) {
        for number in 0..<10 { try writer.record(event(number)) }
        var attempts = 0
        for await _ in world.relay.arrivals {
          attempts += 1
          if attempts == 3 { break }
        }
        // It comes up, takes them, and goes down again.
        let collector = try await Collector(world.folder + "/collector")
        try await collector.answering(world.relay) {
          let taken = try await collector.taken(10)
          #expect(numbers(taken) == Array(0..<10))
        }
      }
    }
    try await withWorld { world in
      let (log, writer) = try await openLog(world.folder + "/sender")
      try await running([log, world.forwarder(log, farewell: .milliseconds(50))]) {
        for round in 0..<2 {
          // The second time it begins anew with what it had, at another port.
          let collector = try await Collector(world.folder + "/collector")
          try await collector.answering(world.relay) {
            try writer.record(event(round))
            #expect(numbers(try await collector.taken(round + 1)) == Array(0...round))
            #expect(try await critical(collector.log).isEmpty)
          }
        }
      }
    }
  }

  /// The collector has taken the batch, and the sender never hears of it.
  @Test func anAnswerThatIsLostCostsNothing() async throws {
    try await withWorld { world in
      let collector = try await Collector(world.folder + "/collector")
      let (log, writer) = try await openLog(world.folder + "/sender")
      try await collector.answering(world.relay) {
        try await running([log, world.forwarder(log)]) {
          try writer.record(event(0))
          #expect(try await collector.taken(1).count == 1)
          for number in 1..<6 {
            world.relay.losses.withLock { $0 = 1 }
            try writer.record(event(number))
            #expect(numbers(try await collector.taken(number + 1)) == Array(0...number))
          }
        }
        #expect(world.relay.losses.withLock { $0 } == 0, "answers were lost")
        #expect(numbers(try await collector.log.query(AuditQuery(pod: "g-0"), scope: .everything).map(\.event)) == Array(0..<6))
        #expect(try await critical(collector.log).isEmpty)
      }
    }
  }

  @Test func aTokenIsReadAnewEachTime() async throws {
    try await withWorld { world in
      let collector = try await Collector(world.folder + "/collector")
      let (log, writer) = try await openLog(world.folder + "/sender")
      try world.token("nobody")
      try await collector.answering(world.relay) {
        try await running([log, world.forwarder(log)]) {
          try writer.record(event(0))
          var query = AuditQuery(component: .auth)
          query.afterSeq = 0
          for try await record in collector.log.follow(query, scope: .everything) {
            #expect(record.event.reason == "token_wrong")
            break
          }
          try world.token("sender-g-0")
          #expect(numbers(try await collector.taken(1)) == [0])
        }
      }
    }
  }

  @Test func theEndHandsInWhatIsLeftButDoesNotWaitForEver() async throws {
    try await withWorld { world in
      let collector = try await Collector(world.folder + "/collector")
      let (log, writer) = try await openLog(world.folder + "/sender")
      var pace = Self.pace
      pace.gather = .seconds(3600)
      pace.farewell = .milliseconds(50)
      // Down: it ends all the same.
      try await running([log, AuditForwarder(log, to: world.settings, pace: pace, logger: quiet)]) { try writer.record(event(0)) }
      pace.farewell = .seconds(60)
      let (again, next) = try await openLog(world.folder + "/again")
      try await collector.answering(world.relay) {
        try await running([again, AuditForwarder(again, to: world.settings, pace: pace, logger: quiet)]) {
          for number in 0..<700 { try next.record(event(number)) }
        }
        #expect(
          numbers(try await collector.log.query(AuditQuery(pod: "g-0", limit: 1000), scope: .everything).map(\.event)) == Array(0..<700))
        // And for a process that only comes and goes.
        #expect(await AuditForwarder(log, to: world.settings, pace: pace, logger: quiet).flush(within: .seconds(60)))
      }
      #expect(await !AuditForwarder(log, to: world.settings, pace: Self.pace, logger: quiet).flush(within: .milliseconds(50)))
    }
  }

  /// As after a restore from a backup.
  @Test func aCollectorThatKnowsLessGetsWhatIsThereAndSaysWhatIsNot() async throws {
    try await withWorld { world in
      // The first 400 are older than an hour.
      let (log, writer) = try await openLog(
        world.folder + "/sender", clock: WallClock { Timestamp(seconds: 1_790_000_400) + .seconds(3600) })
      for number in 0..<1000 { try writer.record(event(number)) }
      try await log.drain()
      #expect(try await log.removeCollected(through: 1000, olderThan: .seconds(3600)) == 400)
      let collector = try await Collector(world.folder + "/collector")
      try await collector.answering(world.relay) {
        try await running([log, world.forwarder(log)]) {
          let taken = try await collector.taken(601)
          #expect(numbers(taken) == Array(400..<1000))
        }
        let findings = try await critical(collector.log)
        #expect(findings.map(\.reason) == ["audit_records_missing"])
        #expect(findings.first?.details["from"] == "1" && findings.first?.details["through"] == "400")
      }
    }
  }

  @Test func aTrailThatIsNotTheOneThatWasCollectedGetsAnotherName() async throws {
    try await withWorld { world in
      let collector = try await Collector(world.folder + "/collector")
      let (log, writer) = try await openLog(world.folder + "/sender")
      let (other, elsewhere) = try await openLog(world.folder + "/other")
      for number in 0..<3 { try writer.record(event(number)) }
      for number in 10..<19 { try elsewhere.record(event(number)) }
      try await other.drain()
      let name = try await log.chain()
      let source = try AuditSource(chain: name, account: Collector.account, pod: "g-0")
      try await collector.log.collect(AuditBatch(parsing: other.export(after: 0, limit: 100).lines), from: source)
      try await collector.answering(world.relay) {
        try await running([log, world.forwarder(log)]) {
          let taken = try await collector.taken(12)
          #expect(numbers(taken) == Array(10..<19) + Array(0..<3))
        }
      }
      #expect(try await log.chain() != name)
    }
  }

  @Test func aRecordThatCannotBeReadIsLeftOutAndMissed() async throws {
    try await withWorld { world in
      let collector = try await Collector(world.folder + "/collector")
      let (log, writer) = try await openLog(world.folder + "/sender")
      for number in 0..<20 { try writer.record(event(number)) }
      try await log.drain()
      try await log.database.write { db in try db.execute(sql: "UPDATE event SET body = 'a' || char(10) || 'b' WHERE seq = 7") }
      try await collector.answering(world.relay) {
        try await running([log, world.forwarder(log)]) {
          let taken = try await collector.taken(19)
          #expect(numbers(taken) == Array(0..<6) + Array(7..<20))
        }
        let findings = try await critical(collector.log)
        #expect(findings.map(\.reason) == ["audit_records_missing"])
        #expect(findings.first?.details["from"] == "7" && findings.first?.details["through"] == "7")
      }
    }
  }
}

import Foundation
import PalanaAudit
import PalanaCore
import PalanaStore
import Testing

@Suite struct AuditSpoolReplayTests {
  private func line(_ event: AuditEvent) -> [UInt8] {
    var bytes: [UInt8] = []
    AuditEncoder.encode(event, into: &bytes)
    return bytes + [10]
  }

  @Test func aFileCutAnywhereGivesItsWholeLines() async throws {
    try await withFolder { folder in
      let lines = try (0..<2).map { line(try egressEvent($0)) }
      let whole = Array(lines.joined())
      let spoolFolder = folder + "/spool"
      try FileManager.default.createDirectory(atPath: spoolFolder, withIntermediateDirectories: true)
      // One file for every length, as if each came from a writer that was killed there.
      var expected = 0
      for length in 0...whole.count {
        let part = Data(whole[..<length])
        expected += part.count { $0 == 10 }
        try part.write(to: URL(fileURLWithPath: "\(spoolFolder)/cut-\(length).jsonl"))
      }
      let spool = try AuditSpool(directory: spoolFolder)
      let log = try await AuditLog.open(path: folder + "/audit.sqlite", spool: spool, logger: quiet)
      try await log.drain()
      #expect(log.head == Int64(expected))
      #expect(spool.waitingBytes == 0)
      #expect(spool.segments().isEmpty)
      #expect(try await log.verify().isIntact)
      #expect(
        try await log.query(AuditQuery(component: .policy), scope: .everything).isEmpty, "torn ends are no events")
    }
  }

  @Test func aLineThatIsNoEventLeavesACriticalRecord() async throws {
    try await withFolder { folder in
      let spoolFolder = folder + "/spool"
      try FileManager.default.createDirectory(atPath: spoolFolder, withIntermediateDirectories: true)
      let good = line(try egressEvent(1))
      let bytes = good + Array("{\"half\":\n".utf8) + [0xff, 0xfe, 10] + good
      try Data(bytes).write(to: URL(fileURLWithPath: spoolFolder + "/x.jsonl"))
      let spool = try AuditSpool(directory: spoolFolder)
      let log = try await AuditLog.open(path: folder + "/audit.sqlite", spool: spool, logger: quiet)
      let records = try await log.query(AuditQuery(), scope: .everything)
      #expect(records.count == 4)
      let bad = records.filter { $0.event.severity == .critical }
      #expect(bad.map { $0.event.details["offset"] } == ["\(good.count)", "\(good.count + 9)"])
      #expect(try await log.verify().isIntact)
    }
  }

  @Test func eachWritersOrderHoldsAndWritersAreMergedByTime() async throws {
    try await withFolder { folder in
      let spool = try AuditSpool(directory: folder + "/spool")
      let log = try await AuditLog.open(path: folder + "/audit.sqlite", spool: spool, logger: quiet)
      let (one, two) = (spool.makeWriter(label: "one"), spool.makeWriter(label: "two"))
      for number in [0, 4, 2] { try one.record(egressEvent(number)) }
      for number in [1, 3, 5] { try two.record(egressEvent(number)) }
      let ids = try await log.query(AuditQuery(), scope: .everything).compactMap(\.event.request?.id)
      #expect(ids == ["r-0", "r-1", "r-3", "r-4", "r-2", "r-5"])
    }
  }

  @Test func concurrentRecordersAndDrainsLoseAndDoubleNothing() async throws {
    try await withFolder { folder in
      let spool = try AuditSpool(directory: folder + "/spool", limits: .init(segmentBytes: 30_000))
      let log = try await AuditLog.open(path: folder + "/audit.sqlite", spool: spool, logger: quiet)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for task in 0..<8 {
          group.addTask {
            let writer = spool.makeWriter(label: "w\(task)")
            for number in 0..<200 { try writer.record(egressEvent(task * 1000 + number)) }
            writer.close()
          }
        }
        for _ in 0..<3 {
          group.addTask { for _ in 0..<10 { try await log.drain() } }
        }
        try await group.waitForAll()
      }
      let records = try await log.query(AuditQuery(limit: 10_000), scope: .everything)
      #expect(records.count == 1600)
      #expect(Set(records.compactMap(\.event.request?.id)).count == 1600)
      #expect(try await log.verify().isIntact)
      try await log.drain()
      #expect(spool.segments().isEmpty)
    }
  }

  @Test func moreThanOneBatchIsTakenInOneDrain() async throws {
    try await withFolder { folder in
      let spool = try AuditSpool(directory: folder + "/spool")
      let log = try await AuditLog.open(path: folder + "/audit.sqlite", spool: spool, logger: quiet)
      let writer = spool.makeWriter(label: "w")
      var event = try egressEvent()
      event.request?.path = "/" + String(repeating: "x", count: 2000)
      for _ in 0..<3000 { try writer.record(event) }
      #expect(spool.waitingBytes > 6 << 20)
      try await log.drain()
      #expect(log.head == 3000)
      #expect(spool.waitingBytes == 0)
    }
  }

  @Test func refusalRecoversWhenTheLogCatchesUp() async throws {
    try await withFolder { folder in
      let spool = try AuditSpool(directory: folder + "/spool", limits: .init(backlogBytes: 3000))
      let log = try await AuditLog.open(path: folder + "/audit.sqlite", spool: spool, logger: quiet)
      let writer = spool.makeWriter(label: "w")
      var accepted: Int64 = 0
      for round in 1...3 {
        while (try? writer.record(egressEvent(round))) != nil { accepted += 1 }
        try await log.drain()
      }
      #expect(accepted > 6)
      #expect(log.head == accepted)
    }
  }

  @Test func theBacklogIsCountedAcrossARestart() async throws {
    try await withFolder { folder in
      do {
        let spool = try AuditSpool(directory: folder + "/spool")
        let log = try await AuditLog.open(path: folder + "/audit.sqlite", spool: spool, logger: quiet)
        let writer = spool.makeWriter(label: "w")
        try writer.record(egressEvent(1))
        try await log.drain()
        try writer.record(egressEvent(2))
      }
      let spool = try AuditSpool(directory: folder + "/spool")
      #expect(spool.waitingBytes == line(try egressEvent(1)).count * 2, "the log has not said yet what it took")
      let log = try await AuditLog.open(path: folder + "/audit.sqlite", spool: spool, logger: quiet)
      #expect(spool.waitingBytes == line(try egressEvent(2)).count)
      try await log.drain()
      #expect(log.head == 2)
      #expect(spool.waitingBytes == 0)
    }
  }

  @Test func whatIsTakenFromTheSpoolBehindOurBackIsNotedAndTheRestGoesOn() async throws {
    try await withFolder { folder in
      let spool = try AuditSpool(directory: folder + "/spool")
      let log = try await AuditLog.open(path: folder + "/audit.sqlite", spool: spool, logger: quiet)
      let (one, two) = (spool.makeWriter(label: "one"), spool.makeWriter(label: "two"))
      try one.record(egressEvent(1))
      try two.record(egressEvent(2))
      for segment in spool.segments() where segment.name.hasPrefix("one") {
        try FileManager.default.removeItem(atPath: segment.path)
      }
      for segment in spool.segments() where segment.name.hasPrefix("two") {
        try Data().write(to: URL(fileURLWithPath: segment.path))
      }
      let lost = try await log.query(AuditQuery(), scope: .everything)
      #expect(lost.map(\.event.reason) == ["audit_spool_lost", "audit_spool_lost"])
      #expect(lost.allSatisfy { $0.event.severity == .critical })
      #expect(spool.waitingBytes == 0)
      try one.record(egressEvent(3))
      try two.record(egressEvent(4))
      let records = try await log.query(AuditQuery(component: .egress), scope: .everything)
      #expect(records.compactMap(\.event.request?.id) == ["r-3", "r-4"])
    }
  }

  @Test func aLineIsWhatTheLogHolds() async throws {
    try await withFolder { folder in
      let spool = try AuditSpool(directory: folder + "/spool")
      let log = try await AuditLog.open(path: folder + "/audit.sqlite", spool: spool, logger: quiet)
      let writer = spool.makeWriter(label: "w")
      for number in 0..<3 { try writer.record(egressEvent(number)) }
      let records = try await log.query(AuditQuery(), scope: .everything)
      let (export, _) = try await log.export(after: 0, limit: 10)
      #expect(Array(records.map { $0.line + [10] }.joined()) == export)
      // Read back from the wire, without the stored text, it is the same line: the encoder is canonical.
      let wire = try records.map { try JSONDecoder().decode(AuditRecord.self, from: JSONEncoder().encode($0)) }
      #expect(wire.map(\.line) == records.map(\.line))
    }
  }
}

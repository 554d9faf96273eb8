import Foundation
import GRDB
import PalanaAudit
import PalanaCore
import PalanaStore
import Testing

/// What somebody with write access to the files could do, and how it shows.
@Suite struct AuditTamperTests {
  private struct Trail {
    var folder: String
    var key: Redacted<[UInt8]>?
    var path: String { folder + "/audit.sqlite" }

    func open(clock: WallClock = .system) async throws -> (AuditLog, AuditSpool) {
      let spool = try AuditSpool(directory: folder + "/spool")
      return (try await AuditLog.open(path: path, spool: spool, headKey: key, clock: clock, logger: quiet), spool)
    }

    /// Ten events, then everything closed.
    func fill() async throws {
      let (log, spool) = try await open()
      let writer = spool.makeWriter(label: "a")
      for number in 0..<10 { try writer.record(egressEvent(number)) }
      try await log.drain()
      #expect(try await log.verify().isIntact)
    }

    func sql(_ statement: String) throws {
      let queue = try DatabaseQueue(path: path)
      try queue.write { db in try db.execute(sql: statement) }
      try queue.close()
    }

    func verify() async throws -> AuditVerification { try await open().0.verify() }
  }

  private func withTrail(key: [UInt8]? = nil, _ body: (Trail) async throws -> Void) async throws {
    try await withFolder { folder in
      let trail = Trail(folder: folder, key: key.map { Redacted($0) })
      try await trail.fill()
      try await body(trail)
    }
  }

  @Test(arguments: [
    (
      "UPDATE event SET body = replace(body, 'api.github.com', 'evil.example') WHERE seq = 4",
      AuditVerification.Problem.Kind.edited, 4
    ),
    ("UPDATE event SET owner = 'bob@example.com' WHERE seq = 5", .index, 5),
    ("UPDATE event SET host = NULL WHERE seq = 5", .index, 5),
    ("UPDATE event SET time = time + 1 WHERE seq = 6", .index, 6),
    ("UPDATE event SET body = '' WHERE seq = 3", .edited, 3),
    ("DELETE FROM event WHERE seq = 7", .missing, 8),
    ("DELETE FROM event WHERE seq <= 2", .truncatedFront, 3),
    ("UPDATE event SET seq = 100 WHERE seq = 2", .missing, 3),
    ("UPDATE event SET hash = zeroblob(32) WHERE seq = 10", .edited, 10),
    ("UPDATE event SET hash = x'00' WHERE seq = 2", .unreadable, 2),
    ("UPDATE event SET prev = zeroblob(32) WHERE seq = 2", .edited, 1),
    (
      "INSERT INTO event SELECT 11, time, component, decision, severity, agent_id, agent_name, owner, actor, host, body, prev, hash, pod, taken FROM event WHERE seq = 10",
      .edited, 10
    ),
  ])
  func changesOfTheDatabaseShow(_ statement: String, _ kind: AuditVerification.Problem.Kind, _ seq: Int64) async throws {
    try await withTrail { trail in
      try trail.sql(statement)
      let result = try await trail.verify()
      #expect(result.problems.first?.kind == kind, "\(result.problems)")
      #expect(result.problems.first?.seq == seq)
    }
  }

  @Test func aTamperedRowDoesNotHideTheOthers() async throws {
    try await withTrail { trail in
      try trail.sql("UPDATE event SET body = 'nonsense', hash = x'00' WHERE seq = 3")
      let (log, _) = try await trail.open()
      let records = try await log.query(AuditQuery(), scope: .everything)
      #expect(records.count == 10)
      #expect(records[2].event.reason == "audit_record_unreadable")
      #expect(records[2].event.severity == .critical)
    }
  }

  @Test func aCutEndShowsAndStaysVisible() async throws {
    try await withTrail { trail in
      try trail.sql(
        """
        UPDATE head SET seq = 7, hash = (SELECT hash FROM event WHERE seq = 7);
        DELETE FROM event WHERE seq > 7;
        """)
      let (log, spool) = try await trail.open()
      // The chain goes on behind the noted head, so that the numbers of what is gone are never used again.
      let found = try await log.query(AuditQuery(severity: .critical), scope: .everything)
      #expect(found.map(\.seq) == [11])
      #expect(found.first?.event.reason == "audit_records_missing")
      #expect(found.first?.event.details == ["from": "8", "through": "10"])
      try spool.makeWriter(label: "a").record(egressEvent(20))
      let result = try await log.verify()
      #expect(result.problems.map(\.kind) == [.missing, .headNote])
      #expect(result.problems.first?.seq == 11)
      #expect(result.lastSeq == 12)
    }
  }

  @Test func aCutEndShowsToARunningLog() async throws {
    try await withTrail { trail in
      let (log, _) = try await trail.open()
      try trail.sql("DELETE FROM event WHERE seq > 8")
      #expect(try await log.verify().problems.contains { $0.kind == .truncatedTail })
    }
  }

  @Test func theNoteOfTheHeadIsMissed() async throws {
    try await withTrail { trail in
      try FileManager.default.removeItem(atPath: trail.path + ".head")
      let (log, spool) = try await trail.open()
      let found = try await log.query(AuditQuery(severity: .critical), scope: .everything)
      #expect(found.first?.event.reason == "audit_head_note_missing")
      #expect(try await log.verify().problems.map(\.kind) == [.headNote, .headNote])
      // The next event writes a new note, but what was found stays visible.
      try spool.makeWriter(label: "a").record(egressEvent(20))
      #expect(try await log.verify().problems.map(\.seq) == [11])
    }
  }

  @Test func withAKeyTheNoteCannotBeForged() async throws {
    try await withTrail(key: Array("a key of the secret store".utf8)) { trail in
      #expect(try await trail.verify().isIntact)
      // Cut the end and make the note fit, as somebody without the key can.
      try trail.sql(
        "UPDATE head SET seq = 7, hash = (SELECT hash FROM event WHERE seq = 7); DELETE FROM event WHERE seq > 7;")
      let note = try JSONValue(parsing: Array(Data(contentsOf: URL(fileURLWithPath: trail.path + ".head"))))
      guard case .object(var object) = note else { return }
      object["seq"] = 7
      try Data(JSONValue.object(object).encoded()).write(to: URL(fileURLWithPath: trail.path + ".head"))
      let (log, _) = try await trail.open()
      let found = try await log.query(AuditQuery(severity: .critical), scope: .everything)
      #expect(found.first?.event.reason == "audit_head_note_forged")
      #expect(try await log.verify().problems.contains { $0.kind == .headNote })
    }
  }

  @Test func aNoteThatLagsIsNoProblem() async throws {
    try await withTrail { trail in
      let old = try Data(contentsOf: URL(fileURLWithPath: trail.path + ".head"))
      do {
        let (log, spool) = try await trail.open()
        try spool.makeWriter(label: "a").record(egressEvent(20))
        try await log.drain()
      }
      // The machine died between the commit and the note.
      try old.write(to: URL(fileURLWithPath: trail.path + ".head"))
      let (log, _) = try await trail.open()
      #expect(try await log.verify().isIntact)
      #expect(log.head == 11)
    }
  }

  @Test func retentionKeepsTheChainVerifiable() async throws {
    try await withTrail { trail in
      let clock = WallClock { Timestamp(seconds: 1_790_000_006) + .seconds(3600) }
      let (log, spool) = try await trail.open(clock: clock)
      #expect(try await log.removeEvents(olderThan: .seconds(3600)) == 6)
      let left = try await log.query(AuditQuery(), scope: .everything)
      #expect(left.map(\.seq) == [7, 8, 9, 10, 11])
      #expect(left.last?.event.action == "retention")
      #expect(left.last?.event.details["throughSeq"] == "6")
      #expect(left.last?.event.details["removed"] == "6")
      let result = try await log.verify()
      #expect(result.isIntact, "\(result.problems)")
      // Again with nothing due: nothing happens.
      #expect(try await log.removeEvents(olderThan: .seconds(3600)) == 0)
      // A second time: the newest mark names the new beginning.
      try spool.makeWriter(label: "a").record(egressEvent(5000))
      try await log.drain()
      #expect(try await log.removeEvents(olderThan: .seconds(3598)) == 2)
      #expect(try await log.verify().isIntact)
      // The newest record stays, whatever its age.
      #expect(try await log.removeEvents(olderThan: .seconds(-10_000)) > 0)
      #expect(try await log.query(AuditQuery(), scope: .everything).count >= 1)
      #expect(try await log.verify().isIntact)
      // And somebody else's deletion from the front is told apart from ours.
      try trail.sql("DELETE FROM event WHERE seq = (SELECT min(seq) FROM event)")
      #expect(try await !log.verify().isIntact)
    }
  }

  @Test func manyOldEventsGoInBatchesAndAnExportStaysVerifiable() async throws {
    try await withFolder { folder in
      let clock = WallClock { Timestamp(seconds: 1_800_000_000) }
      let spool = try AuditSpool(directory: folder + "/spool")
      let log = try await AuditLog.open(path: folder + "/audit.sqlite", spool: spool, clock: clock, logger: quiet)
      let writer = spool.makeWriter(label: "a")
      for number in 0..<12_000 { try writer.record(egressEvent(number)) }
      #expect(try await log.query(AuditQuery(limit: 1), scope: .everything).first?.seq == 12_000)
      // The marks themselves are new, so only the events go; the newest of them is no longer the head.
      #expect(try await log.removeEvents(olderThan: .seconds(3600)) >= 11_999)
      #expect(try await log.verify().isIntact)
      let (lines, _) = try await log.export(after: 0, limit: 10_000)
      var verifier = AuditVerifier(noted: try await log.headLink())
      for line in lines.split(separator: UInt8(ascii: "\n")) { verifier.add(line: line) }
      #expect(verifier.finish().isIntact)
    }
  }
}

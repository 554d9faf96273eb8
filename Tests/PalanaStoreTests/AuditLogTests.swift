import Foundation
import GRDB
import PalanaAudit
import PalanaCore
import PalanaStore
import Testing

@Suite struct AuditLogTests {
  @Test func whatWasRecordedIsChainedAndFound() async throws {
    try await withFolder { folder in
      let spool = try AuditSpool(directory: folder + "/spool")
      let log = try await AuditLog.open(path: folder + "/audit.sqlite", spool: spool, logger: quiet)
      let writer = spool.makeWriter(label: "test")
      for number in 0..<10 { try writer.record(egressEvent(number, decision: number == 3 ? .deny : .allow)) }
      let records = try await log.query(AuditQuery(), scope: .everything)
      #expect(records.map(\.seq) == Array(1...10))
      #expect(try records[3].event == egressEvent(3, decision: .deny))
      #expect(records[0].prevHash == String(repeating: "0", count: 64))
      #expect(records[1].prevHash == records[0].hash)
      #expect(spool.waitingBytes == 0)
      let denied = try await log.query(AuditQuery(decision: .deny), scope: .everything)
      #expect(denied.map(\.seq) == [4])
      let verification = try await log.verify()
      #expect(verification.isIntact, "\(verification.problems)")
      #expect(verification.checked == 10)
      #expect(verification.head == records[9].hash)
    }
  }

  @Test func anExportIsVerifiedWithoutTheDatabase() async throws {
    try await withFolder { folder in
      let spool = try AuditSpool(directory: folder + "/spool")
      let log = try await AuditLog.open(path: folder + "/audit.sqlite", spool: spool, logger: quiet)
      let writer = spool.makeWriter(label: "test")
      for number in 0..<5 { try writer.record(egressEvent(number)) }
      try await log.drain()
      let (lines, last) = try await log.export(after: 0, limit: 100)
      #expect(last == 5)
      var verifier = AuditVerifier(noted: try await log.headLink())
      for line in lines.split(separator: UInt8(ascii: "\n")) { verifier.add(line: line) }
      let result = verifier.finish()
      #expect(result.isIntact, "\(result.problems)")
      #expect(result.checked == 5)
    }
  }

  @Test func aRestartContinuesTheChainAndTakesEachEventOnce() async throws {
    try await withFolder { folder in
      for round in 0..<3 {
        let spool = try AuditSpool(directory: folder + "/spool")
        let log = try await AuditLog.open(path: folder + "/audit.sqlite", spool: spool, logger: quiet)
        let writer = spool.makeWriter(label: "test")
        for number in 0..<5 { try writer.record(egressEvent(round * 10 + number)) }
        if round == 1 { try await log.drain() }
        if round == 2 {
          let records = try await log.query(AuditQuery(), scope: .everything)
          #expect(records.compactMap(\.event.request?.id).count == 15)
          #expect(Set(records.compactMap(\.event.request?.id)).count == 15)
          #expect(try await log.verify().isIntact)
          writer.close()
          try await log.drain()
          #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/spool") == ["lock"])
        }
      }
    }
  }
}

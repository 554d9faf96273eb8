import Foundation
import GRDB
package import PalanaAudit
package import PalanaCore

/// Questions to the trail.
extension AuditLog {
  private static let largestPage = 10_000

  /// The matching records, oldest first, at most 10,000. Sees everything that was accepted before the call.
  package func query(_ query: AuditQuery, scope: AuditScope) async throws(PalanaError) -> [AuditRecord] {
    // Somebody who has just done a thing expects to see it. When the drain fails, what is there is still worth showing.
    try? await drain()
    let limit = min(max(query.limit ?? 100, 1), Self.largestPage)
    let select = AuditSelect(query, scope: scope)
    return try await database.read { db in try select.records(db, after: query.afterSeq, limit: limit) }
  }

  /// The matching records, oldest first, as many as ``AuditQuery/limit`` says, without a bound. Sees everything that was
  /// accepted before the call and nothing that comes later.
  package func history(_ query: AuditQuery, scope: AuditScope) async throws(PalanaError) -> AuditHistory {
    try? await drain()
    let select = AuditSelect(query, scope: scope)
    let limit = query.limit == 0 ? nil : max(query.limit ?? 100, 1)
    let (start, end, oldest) = try await database.read { db in
      let head = try Int64.fetchOne(db, sql: "SELECT seq FROM head WHERE id = 1") ?? 0
      let oldest = try Int64.fetchOne(db, sql: "SELECT min(seq) FROM event") ?? 0
      if let after = query.afterSeq { return (after, head, oldest) }
      guard let limit else { return (0, head, oldest) }
      return (try select.start(db, ofNewest: limit, through: head).map { $0 - 1 } ?? head, head, oldest)
    }
    return AuditHistory(
      log: self, query: query, scope: scope, start: start, end: end, oldest: oldest, limit: limit)
  }

  /// Matching records from now on (or after `query.afterSeq`), as they join the chain. It ends when the consuming task is
  /// cancelled or the log shuts down. `query.limit` has no meaning here.
  package func follow(_ query: AuditQuery, scope: AuditScope) -> AuditFollow {
    AuditFollow(log: self, query: query, scope: scope, start: query.afterSeq ?? head)
  }

  /// One page for a follower: the matches after `seq` and the position up to which the page looked.
  func page(
    _ query: AuditQuery, scope: AuditScope, after seq: Int64
  ) async throws(PalanaError) -> (records: [AuditRecord], end: Int64) {
    let size = 500
    let select = AuditSelect(query, scope: scope)
    return try await database.read { db in
      let records = try select.records(db, after: seq, limit: size)
      if records.count == size, let last = records.last { return (records, last.seq) }
      let head = try Int64.fetchOne(db, sql: "SELECT seq FROM head WHERE id = 1") ?? seq
      return (records, max(seq, head))
    }
  }

  /// The records after `seq` as JSON lines (each with its line break), byte for byte what the hashes cover.
  /// - Parameters:
  ///   - limit: 1 to 10,000 records.
  ///   - bytes: no further line once there are so many.
  /// - Returns: the lines and the number of the last one; `seq` itself when there are no more.
  package func export(
    after seq: Int64, limit: Int, bytes: Int = .max
  ) async throws(PalanaError) -> (lines: [UInt8], lastSeq: Int64) {
    let limit = min(max(limit, 1), Self.largestPage)
    return try await database.read { db in try AuditExport.lines(db, after: seq, limit: limit, bytes: bytes) }
  }

  /// The newest link: whoever writes it down elsewhere can prove a later cut of the end.
  package func headLink() async throws(PalanaError) -> AuditVerifier.Link {
    try await database.read { db in
      let chain = try Row.fetchOne(db, sql: "SELECT seq, hash FROM head WHERE id = 1")
      guard let chain else { throw PalanaError(.failed, "the audit database has lost its head") }
      return .init(seq: chain["seq"], hash: try AuditChain.Hash(column: chain["hash"]).description)
    }
  }

  /// Checks the whole chain, the search columns against it, and the note of the head outside the database.
  package func verify() async throws(PalanaError) -> AuditVerification {
    try await drain()
    // Read before the snapshot of the rows begins: a note that is newer than the rows is then never a race.
    let reading = try await database.read { [note] _ in note.read() }
    return try await database.read { db in
      var noted: AuditVerifier.Link?
      if case .link(let link) = reading { noted = link }
      let head = try Int64.fetchOne(db, sql: "SELECT seq FROM head WHERE id = 1") ?? 0
      var verifier = AuditVerifier(noted: noted)
      let rows = try Row.fetchCursor(db, sql: "SELECT * FROM event ORDER BY seq")
      while let row = try rows.next() { try Self.check(row, with: &verifier) }
      switch reading {
      case .forged: verifier.add(problem: .headNote, seq: nil, "the note of the head is damaged or forged")
      case .none where head > 0:
        verifier.add(problem: .headNote, seq: nil, "the note of the head is missing")
      default: break
      }
      return verifier.finish(expecting: head)
    }
  }

  private static func check(_ row: Row, with verifier: inout AuditVerifier) throws {
    let seq: Int64 = row["seq"]
    guard let body = String.fromDatabaseValue(row["body"]),
      let previous = Data.fromDatabaseValue(row["prev"]).flatMap({ AuditChain.Hash($0) }),
      let hash = Data.fromDatabaseValue(row["hash"]).flatMap({ AuditChain.Hash($0) })
    else {
      verifier.add(problem: .unreadable, seq: seq, "record \(seq) is malformed")
      return
    }
    let bytes = Array(body.utf8)
    verifier.add(seq: seq, event: bytes, previous: previous, hash: hash)
    // Not read from the columns' own types: whatever somebody wrote there must not stop the check.
    let line = AuditLine(parsing: bytes.span)
    func text(_ text: AuditLine.Text?) -> DatabaseValue {
      text.map { String(decoding: $0.bytes(in: bytes.span), as: UTF8.self) }.databaseValue
    }
    let expected: [(String, DatabaseValue)] = [
      ("time", (line?.time.microseconds).databaseValue), ("component", text(line?.component)),
      ("decision", text(line?.decision)), ("severity", text(line?.severity)),
      ("agent_id", text(line?.agentID)), ("agent_name", text(line?.agentName)),
      ("owner", text(line?.owner)), ("actor", text(line?.actor)),
      ("host", text(line?.host)), ("pod", text(line?.pod)),
    ]
    for (name, value) in expected where row[name] as DatabaseValue != value {
      verifier.add(problem: .index, seq: seq, "the search column \(name) of record \(seq) differs from its text")
    }
  }
}

extension Optional where Wrapped: DatabaseValueConvertible {
  /// NULL for nil.
  fileprivate var databaseValue: DatabaseValue { self?.databaseValue ?? .null }
}

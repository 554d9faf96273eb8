import Crypto
import GRDB
import Logging
package import PalanaAudit
package import PalanaCore

/// Taking over what others wrote into chains of their own.
extension AuditLog {
  /// So much of the disk is left to what this process itself has to write down, or nothing could be done with it any more.
  package static let reserve: UInt64 = 256 << 20

  /// The last record that was taken of a chain; number 0 and the hash of zeros: none.
  package func collected(from source: AuditSource) async throws(PalanaError) -> AuditVerifier.Link {
    try await database.read { db in
      let (seq, hash) = try source.position(db)
      return .init(seq: seq, hash: hash.description)
    }
  }

  /// Takes the records of a batch that are new into this chain, each with where it comes from, and remembers in the same transaction how
  /// far the source's chain was taken: whatever happens to the answer, a batch that is sent again adds nothing.
  ///
  /// What is wrong with the source's chain stops nothing and hides nothing: it becomes a critical record.
  /// - Parameter reserve: bytes that have to be free.
  /// - Returns: the last record that was taken of it.
  /// - Throws: ``PalanaError`` with code `unreachable` when the disk is nearly full, `failed`; then nothing was taken.
  @discardableResult
  package func collect(
    _ batch: AuditBatch, from source: AuditSource, reserve: UInt64 = AuditLog.reserve
  ) async throws(PalanaError) -> AuditVerifier.Link {
    guard DiskRoom.bytes(at: note.path) >= reserve else {
      throw PalanaError(.unreachable, "the disk of the audit trail is nearly full", hint: "a larger volume, or a shorter audit.retention")
    }
    let taken = try await extend { [clock] db in
      try BackgroundTurn.run { try Self.take(batch, from: source, into: db, now: clock.now()) }
    }
    if taken.findings > 0 {
      logger.critical(
        "audit.collect.broken",
        metadata: ["audit.pod": "\(source.pod)", "audit.chain": "\(source.chain)", "audit.findings": "\(taken.findings)"])
    }
    return taken.position
  }

  private struct Taken: Sendable {
    var position: AuditVerifier.Link
    var findings: Int
  }

  private static func take(
    _ batch: AuditBatch, from source: AuditSource, into db: Database, now: Timestamp
  ) throws -> (Taken, AuditVerifier.Link?) {
    let (seq, hash) = try source.position(db)
    var continuity = ChainContinuity(seq: seq, hash: hash)
    var chain = try ChainAppender(db)
    let start = chain.seq
    var findings = CollectionFindings(source: source, now: now)
    for line in batch.lines {
      let (isNew, problems) = continuity.take(line)
      for problem in problems { try findings.add(problem.reason, problem.details, to: &chain) }
      guard isNew else { continue }
      let origin = AuditEvent.Origin(account: source.account, pod: source.pod, chain: source.chain, seq: line.seq)
      if let event = origin.stamped(on: line.event), let columns = AuditLine(parsing: event.span) {
        try chain.append(columns, event.span, taken: now)
      } else {
        let digest = SHA256.hash(data: line.event).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        let facts = ["seq": String(line.seq), "bytes": String(line.event.count), "sha256": digest]
        try findings.add("audit_record_unreadable", facts, to: &chain)
      }
    }
    try findings.finish(&chain)
    let position = AuditVerifier.Link(seq: continuity.seq, hash: continuity.hash.description)
    try source.move(db, to: continuity.seq, continuity.hash, at: now)
    guard chain.seq > start else { return (Taken(position: position, findings: findings.count), nil) }
    try chain.finish()
    return (Taken(position: position, findings: findings.count), .init(seq: chain.seq, hash: chain.hash.description))
  }
}

/// What is wrong with a batch, as records of the collector's own. Their number is bounded: the last one says how many there were.
private struct CollectionFindings {
  private static let most = 20

  let source: AuditSource
  let now: Timestamp
  private(set) var count = 0

  init(source: AuditSource, now: Timestamp) {
    self.source = source
    self.now = now
  }

  mutating func add(_ reason: String, _ place: [String: String], to chain: inout ChainAppender) throws {
    count += 1
    if count <= Self.most { try chain.append(event(reason, place)) }
  }

  func finish(_ chain: inout ChainAppender) throws {
    guard count > Self.most else { return }
    try chain.append(event("audit_findings_left_out", ["findings": String(count), "shown": String(Self.most)]))
  }

  private func event(_ reason: String, _ place: [String: String]) -> AuditEvent {
    let details = ["account": source.account, "chain": source.chain, "pod": source.pod].merging(place) { first, _ in first }
    return AuditEvent(
      time: now, component: .policy, action: "collect", decision: .error, severity: .critical, reason: reason, details: details)
  }
}

package import PalanaAudit
package import PalanaCore
package import PalanaStore

/// Reads the audit log of one machine.
package struct AuditLogReader: AuditReader {
  private let log: AuditLog

  package init(log: AuditLog) { self.log = log }

  package var head: Int64 { log.head }

  package func lines(_ query: AuditQuery, scope: AuditScope) async throws(PalanaError) -> [[UInt8]] {
    try await log.query(query, scope: scope).map(Self.line)
  }

  package func follow(_ query: AuditQuery, scope: AuditScope) -> AsyncThrowingStream<[UInt8], any Error> {
    let source = FollowSource(log.follow(query, scope: scope))
    return AsyncThrowingStream { try await source.next() }
  }

  package func verify() async throws(PalanaError) -> AuditVerification { try await log.verify() }

  /// The record as it is stored: the encoder is canonical, so the bytes are those that the hash covers.
  private static func line(_ record: AuditRecord) throws(PalanaError) -> [UInt8] {
    guard let previous = AuditChain.Hash(hex: record.prevHash.utf8), let hash = AuditChain.Hash(hex: record.hash.utf8)
    else {
      throw PalanaError(.failed, "the audit record \(record.seq) has no readable hash", hint: "pcli audit verify")
    }
    var event: [UInt8] = []
    AuditEncoder.encode(record.event, into: &event)
    return AuditChain.line(seq: record.seq, event: event, previous: previous, hash: hash)
  }

  /// One reader's place in the log. An actor, because the stream that pulls from it may be used by any task; the place
  /// is taken out for the time of one call, so that it never has two users.
  private actor FollowSource {
    private var iterator: AuditFollow.AsyncIterator?

    init(_ follow: AuditFollow) { iterator = follow.makeAsyncIterator() }

    func next() async throws -> [UInt8]? {
      guard var iterator = self.iterator.take() else { return nil }
      let record = try await iterator.next()
      self.iterator = iterator
      return try record.map(AuditLogReader.line)
    }
  }
}

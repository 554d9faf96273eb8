package import PalanaAudit
import PalanaControl
package import PalanaCore
package import PalanaStore

/// The audit log as the control API reads it.
package struct AuditLogReader: AuditReader {
  private let log: AuditLog

  package init(log: AuditLog) { self.log = log }

  package func lines(_ query: AuditQuery, scope: AuditScope) async throws(PalanaError) -> [[UInt8]] {
    try await log.query(query, scope: scope).map(Self.line)
  }

  package func follow(_ query: AuditQuery, scope: AuditScope) -> AsyncThrowingStream<[UInt8], any Error> {
    // Unfolding reads one page at the consumer's pace: nothing is buffered here.
    let iterator = FollowIterator(log.follow(query, scope: scope).makeAsyncIterator())
    return AsyncThrowingStream { try await iterator.next() }
  }

  /// A record as the line that its hash covers.
  static func line(_ record: AuditRecord) -> [UInt8] {
    var event: [UInt8] = []
    AuditEncoder.encode(record.event, into: &event)
    guard let previous = AuditChain.Hash(hex: record.prevHash.utf8),
      let hash = AuditChain.Hash(hex: record.hash.utf8) else {
      return []
    }
    return AuditChain.line(seq: record.seq, event: event, previous: previous, hash: hash)
  }

  package func verify() async throws(PalanaError) -> AuditVerification { try await log.verify() }
}

/// Holds the iterator between two reads. One consumer reads at a time, as every `AsyncThrowingStream` demands.
private actor FollowIterator {
  private var iterator: AuditFollow.AsyncIterator

  init(_ iterator: AuditFollow.AsyncIterator) { self.iterator = iterator }

  func next() async throws(PalanaError) -> [UInt8]? {
    var copy = iterator
    let record = try await copy.next()
    iterator = copy
    return record.map(AuditLogReader.line)
  }
}

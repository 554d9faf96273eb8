package import PalanaAudit
package import PalanaControlAPI
package import PalanaCore

/// Answers questions about the audit trail.
package protocol AuditReader: Sendable {
  /// The matching records that are there now, oldest first, as JSON without line breaks, and the number of the newest
  /// record that was looked at. However many there are, few are held at a time.
  func history(
    _ query: AuditQuery, scope: AuditScope
  ) async throws(PalanaError) -> (lines: AsyncThrowingStream<[UInt8], any Error>, end: Int64)
  /// Matching records after `query.afterSeq` as they come; ends when the consuming task is cancelled.
  func follow(_ query: AuditQuery, scope: AuditScope) -> AsyncThrowingStream<[UInt8], any Error>
  /// Checks the whole chain.
  func verify() async throws(PalanaError) -> AuditVerification
}

/// What a caller may read of the audit trail.
package struct AuditService: Sendable {
  let reader: any AuditReader

  package init(reader: any AuditReader) { self.reader = reader }

  /// Operators see everything; others their own agents and what they did themselves.
  static func scope(of caller: Caller) -> AuditScope { caller.isOperator ? .everything : .owner(caller.identity) }

  /// Lines that match, and with `follow` those to come after them, without a gap or a repetition between the two.
  package func lines(
    _ request: AuditRequest, by caller: Caller
  ) async throws(PalanaError) -> [AsyncThrowingStream<[UInt8], any Error>] {
    let scope = Self.scope(of: caller)
    // Whoever follows from a number on gets all that comes after it, so there is no past to cut at a limit.
    if request.follow, request.query.afterSeq != nil { return [reader.follow(request.query, scope: scope)] }
    let past = try await reader.history(request.query, scope: scope)
    guard request.follow else { return [past.lines] }
    var query = request.query
    query.afterSeq = past.end
    return [past.lines, reader.follow(query, scope: scope)]
  }

  package func verify() async throws(PalanaError) -> AuditVerifyResult {
    AuditVerifyResult(try await reader.verify())
  }
}

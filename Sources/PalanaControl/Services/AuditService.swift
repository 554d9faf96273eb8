package import PalanaAudit
package import PalanaControlAPI
package import PalanaCore

/// Answers questions about the audit trail.
package protocol AuditReader: Sendable {
  /// Number of the newest record.
  var head: Int64 { get }
  /// The matching records, oldest first, as JSON without line breaks.
  func lines(_ query: AuditQuery, scope: AuditScope) async throws(PalanaError) -> [[UInt8]]
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
  ) async throws(PalanaError) -> (past: [[UInt8]], future: AsyncThrowingStream<[UInt8], any Error>?) {
    let scope = Self.scope(of: caller)
    // Read before the query: what comes after it is either in the answer or after this number.
    let head = reader.head
    let past = try await reader.lines(request.query, scope: scope)
    guard request.follow else { return (past, nil) }
    var query = request.query
    query.limit = nil
    query.afterSeq = past.last.flatMap(Self.sequence(of:)) ?? head
    return (past, reader.follow(query, scope: scope))
  }

  package func verify() async throws(PalanaError) -> AuditVerifyResult {
    AuditVerifyResult(try await reader.verify())
  }

  /// The number at the start of a record's line, `{"seq":N,`.
  static func sequence(of line: [UInt8]) -> Int64? {
    let prefix = Array("{\"seq\":".utf8)
    guard line.starts(with: prefix) else { return nil }
    return Int64(String(decoding: line.dropFirst(prefix.count).prefix { (48...57).contains($0) }, as: UTF8.self))
  }
}

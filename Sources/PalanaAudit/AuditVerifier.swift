import PalanaCore

/// Checks a chain record by record, without a database: over an export, or over the rows as they come.
///
/// It finds edits, deletions, insertions and changed order anywhere; a missing beginning unless a retention record in the chain
/// itself vouches for it; a missing end when a head that was noted elsewhere is given.
package struct AuditVerifier: Sendable {
  /// A known link: the record with this number has this hash.
  package struct Link: Codable, Hashable, Sendable {
    package var seq: Int64
    /// 64 hexadecimal digits.
    package var hash: String
    package init(seq: Int64, hash: String) {
      self.seq = seq
      self.hash = hash
    }
  }

  private let start: Link?
  private let noted: Link?
  private var checked: Int64 = 0
  private var first: (seq: Int64, previous: AuditChain.Hash)?
  private var last: (seq: Int64, hash: AuditChain.Hash)?
  private var isAnchored = false
  private var problems: [AuditVerification.Problem] = []
  private var problemCount: Int64 = 0

  /// - Parameters:
  ///   - start: the record in front of the first one, when only a part is checked.
  ///   - noted: a head that was noted outside of what is checked.
  package init(start: Link? = nil, noted: Link? = nil) {
    self.start = start
    self.noted = noted
  }

  /// Takes the next line of an export, without its line break. A line that another tool has spaced or ordered differently is
  /// brought back to its one canonical spelling first.
  package mutating func add(line: some Collection<UInt8>) {
    let bytes = Array(line)
    guard let record = AuditRecordLine(bytes) ?? AuditRecordLine(reordered: bytes) else {
      checked += 1
      return report(.unreadable, last.map { $0.seq + 1 }, "line \(checked) is not an audit record")
    }
    add(seq: record.seq, event: record.event, previous: record.previous, hash: record.hash)
  }

  /// Takes the next record.
  /// - Parameter event: the event's own object, byte for byte.
  package mutating func add(
    seq: Int64, event: [UInt8], previous: AuditChain.Hash, hash: AuditChain.Hash
  ) {
    checked += 1
    if let last {
      if seq <= last.seq {
        report(.reordered, seq, "record \(seq) stands behind record \(last.seq)")
      } else if seq > last.seq + 1 {
        report(.missing, seq, "records \(last.seq + 1) to \(seq - 1) are missing")
      } else if previous != last.hash {
        report(.edited, last.seq, "record \(seq) continues another record \(last.seq) than the one that is there")
      }
    } else {
      begin(seq: seq, previous: previous)
    }
    if AuditChain.hash(seq: seq, event: event, previous: previous) != hash {
      report(.edited, seq, "the content of record \(seq) does not give its hash")
    }
    if let noted, noted.seq == seq, noted.hash != hash.description {
      report(.edited, seq, "record \(seq) is not the one whose hash was noted")
    }
    if let reason = StartFinding.reason(in: event) {
      report(.headNote, seq, "the log itself noted when it opened: \(reason)")
    }
    noteRetention(event)
    last = (seq, hash)
  }

  private mutating func begin(seq: Int64, previous: AuditChain.Hash) {
    first = (seq, previous)
    if let start {
      isAnchored = true
      if seq != start.seq + 1 {
        report(.missing, seq, "the records begin at \(seq), not at \(start.seq + 1)")
      } else if previous.description != start.hash {
        report(.edited, start.seq, "record \(seq) continues another record than the given one")
      }
    } else if seq == 1 {
      isAnchored = true
      if previous != .zero { report(.edited, seq, "the first record continues another one") }
    }
  }

  /// A retention record says up to which link the beginning was removed on purpose; it is itself part of the chain.
  private mutating func noteRetention(_ event: some Collection<UInt8>) {
    guard let first, !isAnchored, let link = RetentionMark.link(in: event) else { return }
    if link.seq == first.seq - 1, link.hash == first.previous.description { isAnchored = true }
  }

  private mutating func report(_ kind: AuditVerification.Problem.Kind, _ seq: Int64?, _ message: String) {
    problemCount += 1
    if problems.count < 100 { problems.append(.init(kind: kind, seq: seq, message: message)) }
  }

  /// Adds a problem that the caller found, for example a search column that differs.
  package mutating func add(problem kind: AuditVerification.Problem.Kind, seq: Int64?, _ message: String) {
    report(kind, seq, message)
  }

  /// The outcome over everything that was taken.
  /// - Parameter end: the number that the last record must have; nil: any.
  package consuming func finish(expecting end: Int64? = nil) -> AuditVerification {
    if let end, end != last?.seq ?? 0 {
      report(.truncatedTail, last?.seq, "the last record should be \(end)")
    }
    if let first, !isAnchored {
      report(
        .truncatedFront, first.seq, "the records before \(first.seq) are missing and no retention record names them")
    }
    if let noted, noted.seq > last?.seq ?? start?.seq ?? 0 {
      report(.truncatedTail, last?.seq, "record \(noted.seq) was noted as the head, but the records end before it")
    }
    return AuditVerification(
      checked: checked, firstSeq: first?.seq, lastSeq: last?.seq, head: last?.hash.description, problems: problems,
      problemCount: problemCount)
  }
}

/// Whether records that are collected continue what was collected of their chain before. It never refuses: what does not fit is taken
/// all the same, and said.
package struct ChainContinuity: Sendable {
  /// What does not fit.
  package enum Finding: Hashable, Sendable {
    /// These records never came: they were removed before they were collected, or what was collected was lost.
    case missing(from: Int64, through: Int64)
    /// The sender's record with this number is another one than the one that was collected.
    case differs(seq: Int64)
    /// The content of this record does not give its hash.
    case edited(seq: Int64)

    /// From a closed list, for the audit event.
    package var reason: String {
      switch self {
      case .missing: "audit_records_missing"
      case .differs: "audit_chain_differs"
      case .edited: "audit_record_edited"
      }
    }

    /// The place in the sender's chain.
    package var details: [String: String] {
      switch self {
      case .missing(let from, let through): ["from": String(from), "through": String(through)]
      case .differs(let seq), .edited(let seq): ["seq": String(seq)]
      }
    }
  }

  /// The last record that was taken; number 0 and the hash of zeros: none.
  package private(set) var seq: Int64
  package private(set) var hash: AuditChain.Hash
  private var scratch: [UInt8] = []

  package init(seq: Int64 = 0, hash: AuditChain.Hash = .zero) {
    self.seq = seq
    self.hash = hash
  }

  /// Looks at the next record.
  ///
  /// - Returns: whether it is a new one, and what is wrong with it.
  package mutating func take(_ line: AuditRecordLine) -> (isNew: Bool, findings: [Finding]) {
    guard line.seq > seq else {
      return (false, line.seq == seq && line.hash != hash ? [.differs(seq: seq)] : [])
    }
    var findings: [Finding] = []
    // Numbers are 1 or more, so nothing overflows below.
    if line.seq - 1 > seq {
      findings.append(.missing(from: seq + 1, through: line.seq - 1))
    } else if line.previous != hash {
      findings.append(.differs(seq: seq))
    }
    if AuditChain.hash(seq: line.seq, event: line.event.span, previous: line.previous, scratch: &scratch) != line.hash {
      findings.append(.edited(seq: line.seq))
    }
    seq = line.seq
    hash = line.hash
    return (true, findings)
  }
}

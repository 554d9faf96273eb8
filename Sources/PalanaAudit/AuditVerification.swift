/// The outcome of checking a chain of records.
package struct AuditVerification: Codable, Hashable, Sendable {
  /// Something that does not fit.
  package struct Problem: Codable, Hashable, Sendable {
    package enum Kind: String, Codable, Sendable, CaseIterable {
      /// The content does not give the recorded hash.
      case edited
      /// Records are missing before this one.
      case missing
      /// A record stands where an earlier or equal number already stood.
      case reordered
      /// The record cannot be read.
      case unreadable
      /// The beginning is missing and no retention record vouches for it.
      case truncatedFront = "truncated_front"
      /// The end is missing: the head that was noted outside is not there.
      case truncatedTail = "truncated_tail"
      /// The note of the head outside the database is missing, damaged or forged, or was so when the log opened.
      case headNote = "head_note"
      /// A search column differs from the record's own text.
      case index
    }

    package var kind: Kind
    /// The record at which it shows; nil when it concerns the whole.
    package var seq: Int64?
    package var message: String

    package init(kind: Kind, seq: Int64?, message: String) {
      self.kind = kind
      self.seq = seq
      self.message = message
    }
  }

  /// Records that were read.
  package var checked: Int64
  package var firstSeq: Int64?
  package var lastSeq: Int64?
  /// Hash of the last record. Note it elsewhere: whoever has it can prove a later cut of the end.
  package var head: String?
  /// The first 100, in order.
  package var problems: [Problem]
  /// All of them.
  package var problemCount: Int64

  package var isIntact: Bool { problemCount == 0 }

  package init(
    checked: Int64, firstSeq: Int64?, lastSeq: Int64?, head: String?, problems: [Problem], problemCount: Int64
  ) {
    self.checked = checked
    self.firstSeq = firstSeq
    self.lastSeq = lastSeq
    self.head = head
    self.problems = problems
    self.problemCount = problemCount
  }
}

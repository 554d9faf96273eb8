package import PalanaCore

/// Records of one chain on their way to a collector: lines as ``AuditChain/line(seq:event:previous:hash:)`` writes them, each with its line
/// break, in the order of their numbers. Whether they continue each other is another question: see ``ChainContinuity``.
package struct AuditBatch: Hashable, Sendable {
  /// Bytes of a line without its break, at most: more than any event of ours takes.
  package static let largestLine = 512 << 10

  /// At least one; the numbers grow.
  package let lines: [AuditRecordLine]

  /// - Throws: ``PalanaError`` with code `invalid` that names the line.
  package init(parsing bytes: [UInt8]) throws(PalanaError) {
    guard !bytes.isEmpty else { throw PalanaError(.invalid, "the batch is empty") }
    guard bytes.last == UInt8(ascii: "\n") else { throw PalanaError(.invalid, "the batch ends within a line") }
    var lines: [AuditRecordLine] = []
    for line in bytes.dropLast().split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      guard line.count <= Self.largestLine else {
        throw PalanaError(.invalid, "line \(lines.count + 1) of the batch has more than \(Self.largestLine) bytes")
      }
      guard let record = AuditRecordLine(Array(line)) else {
        throw PalanaError(.invalid, "line \(lines.count + 1) of the batch is not an audit record")
      }
      if let last = lines.last, record.seq <= last.seq {
        throw PalanaError(.invalid, "line \(lines.count + 1) of the batch: record \(record.seq) stands behind record \(last.seq)")
      }
      lines.append(record)
    }
    self.lines = lines
  }
}

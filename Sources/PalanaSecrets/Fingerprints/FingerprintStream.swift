package import NIOCore

/// Looks through a stream of bytes that comes in pieces, so that no border between pieces hides anything.
///
/// The end of what came is kept back while it may be the beginning of a form, and never longer than the longest form. It goes on
/// when more bytes show that it is none, or at the end: a stream whose last bytes happen to be such a beginning waits with them for
/// its next ones.
package struct FingerprintStream: Sendable {
  /// What may go on.
  package struct Piece {
    package var bytes: ByteBuffer?
    /// Forms and ends of forms in `bytes`, by offsets from its first readable byte. They may overlap.
    package var marks: [Range<Int>] = []
    /// Which values were found, whether or not their bytes are in this piece.
    package var values: [Int] = []
  }

  package let index: FingerprintIndex
  /// A shorter beginning goes on at once: a stream of messages must not wait for the last byte of one. Of a value that is split
  /// within these bytes, they are all that is let through.
  private let shortestHeld: Int
  /// The end of what came, to be looked at again.
  private var kept: ByteBuffer?
  /// Bytes of ``kept`` that went on already.
  private var sent = 0
  /// Bytes of ``kept`` that belong to a form that began before.
  private var marked = 0

  package init(_ index: FingerprintIndex, shortestHeld: Int = 1) {
    self.index = index
    self.shortestHeld = shortestHeld
  }

  /// Bytes that wait here.
  package var heldBytes: Int { max((kept?.readableBytes ?? 0) - sent, 0) }

  /// Takes the next bytes.
  package mutating func take(_ contents: ByteBuffer) -> Piece { pass(contents, isFinal: false) }

  /// What was kept back, once nothing follows. The stream may begin anew afterwards.
  package mutating func finish() -> Piece {
    guard kept != nil else { return Piece() }
    return pass(ByteBuffer(), isFinal: true)
  }

  private mutating func pass(_ contents: ByteBuffer, isFinal: Bool) -> Piece {
    var buffer = contents
    if var kept {
      self.kept = nil
      kept.writeImmutableBuffer(contents)
      buffer = kept
    }
    let findings = index.scan(buffer.readableBytesUInt8Span, isFinal: isFinal)
    let count = buffer.readableBytes
    // Too short to be kept back, but not to be remembered.
    let end = max(count - findings.settled < shortestHeld ? count : findings.settled, sent)
    var piece = Piece()
    var reach = marked
    if marked > sent, min(marked, end) > sent { piece.marks.append(0..<(min(marked, end) - sent)) }
    for match in findings.matches {
      piece.values.append(match.value)
      reach = max(reach, match.range.upperBound)
      let (from, to) = (max(match.range.lowerBound, sent), min(match.range.upperBound, end))
      if from < to { piece.marks.append((from - sent)..<(to - sent)) }
    }
    if end > sent { piece.bytes = buffer.getSlice(at: buffer.readerIndex + sent, length: end - sent) }
    if findings.settled < count {
      buffer.moveReaderIndex(forwardBy: findings.settled)
      // A copy: a slice would keep the whole read alive.
      kept = ByteBuffer(bytes: buffer.readableBytesView)
      sent = end - findings.settled
      marked = max(reach - findings.settled, 0)
    } else {
      sent = 0
      marked = 0
    }
    return piece
  }
}

package import NIOCore

/// Takes credentials out of what an upstream sends back: every occurrence becomes stars of the same length, so that the framing of the
/// response stays true.
///
/// It finds the forms of ``SecretForms``, also when they are split over reads. What it cannot find is written in the
/// documentation.
package struct ResponseScrubber: Sendable {
  package let index: FingerprintIndex
  private var stream: FingerprintStream

  /// - Parameter shortestHeld: beginnings of values that are shorter do not wait for the next bytes. Whoever answers piece by piece,
  ///   each one a question for the next, must not wait for a last byte that happens to begin a value.
  package init(_ index: FingerprintIndex, shortestHeld: Int = 4) {
    self.index = index
    stream = FingerprintStream(index, shortestHeld: shortestHeld)
  }

  /// The bytes that may go on.
  package mutating func scrub(_ contents: ByteBuffer) -> ByteBuffer? { Self.masked(stream.take(contents)) }

  /// What was held back, once nothing follows. The scrubber may be used for another stream afterwards.
  package mutating func finish() -> ByteBuffer? { Self.masked(stream.finish()) }

  private static func masked(_ piece: FingerprintStream.Piece) -> ByteBuffer? {
    guard var bytes = piece.bytes else { return nil }
    for mark in piece.marks {
      bytes.setRepeatingByte(UInt8(ascii: "*"), count: mark.count, at: bytes.readerIndex + mark.lowerBound)
    }
    return bytes
  }
}

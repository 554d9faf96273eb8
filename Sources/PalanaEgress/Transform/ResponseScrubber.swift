import NIOCore

/// Takes credentials out of what an upstream sends back: every occurrence becomes stars of the same length, so that the framing of the
/// response stays true.
///
/// It finds the forms of ``SecretForms``, also when they are split over reads. What it cannot find is written in the
/// documentation.
struct ResponseScrubber {
  let index: FingerprintIndex
  private var stream: FingerprintStream

  /// - Parameter shortestHeld: beginnings of values that are shorter do not wait for the next bytes. Whoever answers piece by piece,
  ///   each one a question for the next, must not wait for a last byte that happens to begin a value.
  init(_ index: FingerprintIndex, shortestHeld: Int = 4) {
    self.index = index
    stream = FingerprintStream(index, shortestHeld: shortestHeld)
  }

  /// The bytes that may go on.
  mutating func scrub(_ contents: ByteBuffer) -> ByteBuffer? { Self.masked(stream.take(contents)) }

  /// What was held back, once nothing follows. The scrubber may be used for another stream afterwards.
  mutating func finish() -> ByteBuffer? { Self.masked(stream.finish()) }

  /// The head with every value masked, wherever the upstream wrote it: in the reason phrase, in names and in values of
  /// fields. What stands between these keeps its place, so the head stays one.
  func scrub(_ head: ResponseHead) -> ResponseHead {
    guard let bytes = mask(head.fields, in: [head.phrase]) else { return head }
    return head.replacing(bytes)
  }

  /// The fields of a trailer section with every value masked.
  func scrub(_ trailers: HeadFields) -> HeadFields {
    guard let bytes = mask(trailers, in: []) else { return trailers }
    return trailers.replacing(bytes)
  }

  /// The bytes with every value in names, values and `others` masked; nil when there is none.
  private func mask(_ fields: HeadFields, in others: [ByteRange]) -> ByteBuffer? {
    var bytes = fields.bytes
    guard !index.scan(bytes.readableBytesUInt8Span, isFinal: true).matches.isEmpty else { return nil }
    for range in others + fields.fields.flatMap({ [$0.name, $0.value] }) {
      let matches = index.scan(bytes.readableBytesUInt8Span.extracting(range.range), isFinal: true).matches
      for match in matches {
        bytes.setRepeatingByte(
          UInt8(ascii: "*"), count: match.range.count, at: bytes.readerIndex + Int(range.start) + match.range.lowerBound)
      }
    }
    return bytes
  }

  private static func masked(_ piece: FingerprintStream.Piece) -> ByteBuffer? {
    guard var bytes = piece.bytes else { return nil }
    for mark in piece.marks {
      bytes.setRepeatingByte(UInt8(ascii: "*"), count: mark.count, at: bytes.readerIndex + mark.lowerBound)
    }
    return bytes
  }
}

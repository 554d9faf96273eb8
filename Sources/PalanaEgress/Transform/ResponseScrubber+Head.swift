import NIOCore
import PalanaSecrets

extension ResponseScrubber {
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
}

import NIOCore
import PalanaCore

/// Takes the credential out of what an upstream sends back: every occurrence becomes stars of the same length, so that the
/// framing of the response stays true.
///
/// It finds the value as it was sent and, for Basic, the encoded credential; also when it is split over reads. What it cannot
/// find is written in the documentation: a value that was transformed in another way, or compressed against our request.
struct ResponseScrubber {
  private let needles: [[UInt8]]
  private let longest: Int
  /// The end of what came so far, held back because it may be the start of a value.
  private var held: ByteBuffer?
  private(set) var count = 0

  /// Nil when there is nothing to look for.
  init?(_ secrets: [Redacted<[UInt8]>]) {
    // Very short values would blank ordinary text.
    // Longest first: one that is the beginning of another must not leave the other's end behind.
    needles = secrets.map { $0.reveal() }.filter { $0.count >= 6 }.sorted { $0.count > $1.count }
    longest = needles.reduce(0) { max($0, $1.count) }
    if needles.isEmpty { return nil }
  }

  /// The bytes that may go on.
  mutating func scrub(_ contents: ByteBuffer) -> ByteBuffer? {
    var buffer = contents
    if var held {
      held.writeBuffer(&buffer)
      buffer = held
      self.held = nil
    }
    mask(&buffer)
    let tail = unfinished(buffer)
    guard tail > 0 else { return buffer }
    let ready = buffer.readSlice(length: buffer.readableBytes - tail)
    // A copy: a slice would keep the whole read alive.
    held = ByteBuffer(buffer: buffer.slice())
    return ready.flatMap { $0.readableBytes > 0 ? $0 : nil }
  }

  /// What was held back, once nothing follows.
  mutating func finish() -> ByteBuffer? {
    defer { held = nil }
    return held
  }

  /// The head with every value masked, wherever the upstream wrote it: in the reason phrase, in names and in values of
  /// fields. What stands between these keeps its place, so the head stays one.
  mutating func scrub(_ head: ResponseHead) -> ResponseHead {
    var bytes = head.fields.bytes
    guard needles.contains(where: { Bytes.firstIndex(of: $0.span, in: bytes.readableBytesUInt8Span, from: 0) != nil })
    else { return head }
    for range in [head.phrase] + head.fields.fields.flatMap({ [$0.name, $0.value] }) {
      let start = bytes.readerIndex + Int(range.start)
      guard var part = bytes.getSlice(at: start, length: range.count) else { continue }
      mask(&part)
      bytes.setBuffer(part, at: start)
    }
    return head.replacing(bytes)
  }

  private mutating func mask(_ buffer: inout ByteBuffer) {
    for needle in needles {
      var position = 0
      while let found = Bytes.firstIndex(of: needle.span, in: buffer.readableBytesUInt8Span, from: position) {
        buffer.setRepeatingByte(UInt8(ascii: "*"), count: needle.count, at: buffer.readerIndex + found)
        position = found + needle.count
        count += 1
      }
    }
  }

  /// The length of the longest end of the buffer that is the beginning of a value.
  private func unfinished(_ buffer: ByteBuffer) -> Int {
    let bytes = buffer.readableBytesUInt8Span
    var length = min(longest - 1, bytes.count)
    while length > 0 {
      let start = bytes.count - length
      for needle in needles where needle.count > length && needle[0] == bytes[start] {
        var same = 1
        while same < length, needle[same] == bytes[start + same] { same += 1 }
        if same == length { return length }
      }
      length -= 1
    }
    return 0
  }
}

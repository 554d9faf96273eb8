import NIOCore
import PalanaCore

/// Takes out of prompts what patterns find, and puts their names in its place: `[REDACTED:email]`.
package struct Redactor: Sendable {
  private let patterns: [RedactionPattern]
  /// What looking through one body may take: the event loop does nothing else meanwhile.
  private let limit: TimeAmount

  package init(_ patterns: [RedactionPattern]) { self.init(patterns, limit: .milliseconds(250)) }

  init(_ patterns: [RedactionPattern], limit: TimeAmount) {
    self.patterns = patterns
    self.limit = limit
  }

  package var isEmpty: Bool { patterns.isEmpty }

  /// A body in which something was found.
  struct Redacted {
    var body: ByteBuffer
    /// How often, by the names of patterns.
    var counts: [String: Int]
  }

  /// Looks through every text that is the value of a member or stands in a list, as the model reads it, without its escapes. Names of members and the
  /// name of the model stay.
  ///
  /// - Parameter body: a JSON object in UTF-8, as ``RequestScan`` has found.
  /// - Returns: nil when there is nothing in it.
  func redact(_ body: ByteBuffer, model: Range<Int>) throws(RedactionPattern.TooLong) -> Redacted? {
    var counts: [String: Int] = [:]
    let edits = try find(body, model, &counts)
    guard !edits.isEmpty else { return nil }
    var redacted = ByteBufferAllocator().buffer(capacity: body.readableBytes)
    var place = 0
    for edit in edits {
      if let kept = body.getSlice(at: body.readerIndex + place, length: edit.range.lowerBound - place) {
        redacted.writeImmutableBuffer(kept)
      }
      redacted.writeBytes(edit.bytes)
      place = edit.range.upperBound
    }
    if let kept = body.getSlice(at: body.readerIndex + place, length: body.readableBytes - place) { redacted.writeImmutableBuffer(kept) }
    return Redacted(body: redacted, counts: counts)
  }

  private struct Edit {
    /// With its quotes.
    var range: Range<Int>
    var bytes: [UInt8]
  }

  private func find(_ body: ByteBuffer, _ model: Range<Int>, _ counts: inout [String: Int]) throws(RedactionPattern.TooLong) -> [Edit] {
    let deadline = NIODeadline.now() + limit
    let bytes = body.readableBytesUInt8Span
    var tokens = JSONTokenizer()
    var edits: [Edit] = []
    // It was read before: it is JSON.
    while let token = try? tokens.next(bytes), token != .end {
      guard case .text(let text) = token, text.value != model, !text.range.isEmpty else { continue }
      var content: [UInt8] = []
      content.reserveCapacity(text.range.count)
      for index in text.range { content.append(bytes[index]) }
      if text.isEscaped {
        guard
          let plain = try? JSONValue(parsing: CollectionOfOne(UInt8(ascii: "\"")) + content + CollectionOfOne(UInt8(ascii: "\""))).string
        else { continue }
        content = Array(plain.utf8)
      }
      guard let redacted = try redact(content, &counts, deadline) else { continue }
      var quoted: [UInt8] = []
      JSONText.append(String(decoding: redacted, as: UTF8.self), to: &quoted)
      edits.append(Edit(range: text.value, bytes: quoted))
    }
    return edits
  }

  /// One pattern after the other, each on what the one before left.
  private func redact(_ text: [UInt8], _ counts: inout [String: Int], _ deadline: NIODeadline) throws(RedactionPattern.TooLong) -> [UInt8]?
  {
    var text = text
    var isChanged = false
    for pattern in patterns {
      let ranges = try pattern.ranges(in: text, before: deadline)
      guard !ranges.isEmpty else { continue }
      isChanged = true
      counts[pattern.name, default: 0] += ranges.count
      let name = Array("[REDACTED:\(pattern.name)]".utf8)
      var result: [UInt8] = []
      result.reserveCapacity(text.count)
      var place = 0
      for range in ranges {
        result += text[place..<range.lowerBound]
        result += name
        place = range.upperBound
      }
      text = result + text[place...]
    }
    return isChanged ? text : nil
  }
}

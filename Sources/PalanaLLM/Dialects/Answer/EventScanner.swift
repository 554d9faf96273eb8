package import NIOCore

/// Cuts a stream of server-sent events (WHATWG HTML, section 9.2) into its events, however its bytes come in.
///
/// The bytes of all events, one after the other, are the bytes of the stream. They are slices of what came in: only an event that came in
/// pieces, or whose data has several lines, is copied.
package struct EventScanner: Sendable {
  /// How long one event may be, in bytes.
  package let limit: Int

  private var buffer = ByteBuffer()
  /// The lines of the event that is under way, relative to the first byte of ``buffer``.
  private var event = EventLines()
  /// How far a line's end was searched.
  private var searched = 0
  private var isFirst = true

  package init(limit: Int = 1 << 20) { self.limit = limit }

  package mutating func append(_ bytes: ByteBuffer) {
    if buffer.readableBytes == 0 {
      buffer = bytes
    } else {
      buffer.discardReadBytes()
      buffer.writeImmutableBuffer(bytes)
    }
  }

  /// The next whole event; nil when more bytes are needed.
  ///
  /// - Throws: ``StreamFailure`` for an event over the limit; the stream cannot be read on then.
  package mutating func next() throws(StreamFailure) -> StreamEvent? {
    while let end = endOfLine() {
      guard let length = event.take(end, in: buffer, isFirst: isFirst) else {
        try check(event.lineStart)
        continue
      }
      try check(length)
      return cut(length, isComplete: true)
    }
    try check(buffer.readableBytes)
    return nil
  }

  /// What is left when the stream has ended; nil when nothing is.
  package mutating func finish() -> StreamEvent? {
    guard buffer.readableBytes > 0 else { return nil }
    let length = buffer.readableBytes
    let last = event.lineStart
    var isComplete = false
    if last < length {
      // The CR of a blank line waited for its LF, or a line lacks its end.
      let isReturn = buffer.readableBytesUInt8Span[length - 1] == UInt8(ascii: "\r")
      let end = EventLines.End(content: last..<(isReturn ? length - 1 : length), next: length, isPair: false)
      isComplete = isReturn && event.take(end, in: buffer, isFirst: isFirst) != nil
      if !isReturn { _ = event.take(end, in: buffer, isFirst: isFirst) }
    }
    return cut(length, isComplete: isComplete)
  }

  private func check(_ length: Int) throws(StreamFailure) { guard length <= limit else { throw .eventTooLong(limit: limit) } }

  private mutating func cut(_ length: Int, isComplete: Bool) -> StreamEvent? {
    guard let raw = buffer.readSlice(length: length) else { return nil }
    defer {
      event = EventLines(followsPair: event.followsPair)
      searched = 0
      isFirst = false
    }
    var found = StreamEvent(raw: raw)
    found.isComplete = isComplete
    found.type = event.type.flatMap { raw.getSlice(at: raw.readerIndex + $0.lowerBound, length: $0.count) }
    found.data = event.joined(of: raw)
    return found
  }

  /// The next line, up to CR, LF or CRLF; nil when its end has not come.
  private mutating func endOfLine() -> EventLines.End? {
    guard let place = buffer.readableBytesUInt8Span.firstLineBreak(from: max(searched, event.lineStart)) else {
      searched = buffer.readableBytes
      return nil
    }
    searched = place
    return end(at: place, buffer.readableBytesUInt8Span)
  }

  private func end(at place: Int, _ bytes: borrowing Span<UInt8>) -> EventLines.End? {
    let line = event.lineStart..<place
    // A blank line that ends in CR behind lines that did not end in CRLF is over with it: whether an LF follows must not decide, for it
    // may come any time later.
    if bytes[place] == UInt8(ascii: "\n") || line.isEmpty && !event.followsPair {
      return EventLines.End(content: line, next: place + 1, isPair: false)
    }
    // An LF may follow, which belongs to it.
    guard place + 1 < bytes.count else { return nil }
    let isPair = bytes[place + 1] == UInt8(ascii: "\n")
    return EventLines.End(content: line, next: place + (isPair ? 2 : 1), isPair: isPair)
  }
}

/// The fields of an event that is being read.
struct EventLines: Sendable {
  struct End {
    /// The line without its end.
    var content: Range<Int>
    /// Where the next line starts.
    var next: Int
    /// Whether it ended in CRLF.
    var isPair: Bool
  }

  private(set) var lineStart = 0
  /// Whether the line before ended in CRLF.
  private(set) var followsPair: Bool
  private(set) var type: Range<Int>?
  private var data: Range<Int>?
  private var moreData: [Range<Int>] = []

  init(followsPair: Bool = false) { self.followsPair = followsPair }

  /// Takes one line.
  ///
  /// - Returns: how long the event is, when this line ends it.
  mutating func take(_ end: End, in buffer: ByteBuffer, isFirst: Bool) -> Int? {
    let bytes = buffer.readableBytesUInt8Span
    var line = end.content
    // Only the stream's first bytes may be a byte order mark.
    if isFirst, lineStart == 0, line.count >= 3, bytes.equals("\u{feff}", at: 0..<3) { line = 3..<line.upperBound }
    defer {
      lineStart = end.next
      followsPair = end.isPair
    }
    guard !line.isEmpty else { return end.next }
    var colon = line.lowerBound
    // No field that is known has a longer name.
    let longest = min(line.upperBound, line.lowerBound + 6)
    while colon < longest, bytes[colon] != UInt8(ascii: ":") { colon += 1 }
    let name = line.lowerBound..<colon
    var value = min(colon + 1, line.upperBound)..<line.upperBound
    if !value.isEmpty, bytes[value.lowerBound] == UInt8(ascii: " ") { value = value.lowerBound + 1..<value.upperBound }
    if colon == line.upperBound || bytes[colon] == UInt8(ascii: ":") {
      if bytes.equals("data", at: name) {
        if data == nil { data = value } else { moreData.append(value) }
      } else if bytes.equals("event", at: name) {
        type = value
      }
    }
    return nil
  }

  func joined(of raw: ByteBuffer) -> ByteBuffer? {
    guard let data, var joined = raw.getSlice(at: raw.readerIndex + data.lowerBound, length: data.count) else { return nil }
    for range in moreData {
      guard let line = raw.getSlice(at: raw.readerIndex + range.lowerBound, length: range.count) else { continue }
      joined.writeInteger(UInt8(ascii: "\n"))
      joined.writeImmutableBuffer(line)
    }
    return joined
  }
}

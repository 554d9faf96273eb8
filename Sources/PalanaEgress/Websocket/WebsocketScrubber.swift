import NIOCore
import PalanaSecrets

/// Masks the agent's secrets in the messages that an upstream sends through a websocket. A mask has the length of what it covers, so
/// frames stay frames.
///
/// A value is found across the frames of a message. What may be the beginning of one waits, with everything behind it, for the rest of
/// its message, within bounds.
struct WebsocketScrubber: BodyFilter {
  private let index: FingerprintIndex
  private var frames = WebsocketFrames(isMasked: false)
  private var message: FingerprintStream
  /// For bytes that are no frames.
  private var plain: ResponseScrubber
  private var isBroken = false
  /// Bytes that wait.
  private var kept = ByteBuffer()
  /// Where in ``kept`` payload of the message is that is not settled.
  private var open: [Range<Int>] = []
  /// Where in ``kept`` the payload of an unfinished control frame begins.
  private var control: Int?
  private static let mostKept = 65_536

  init(_ index: FingerprintIndex) {
    self.index = index
    message = FingerprintStream(index)
    plain = ResponseScrubber(index)
  }

  mutating func pass(_ contents: ByteBuffer) -> ByteBuffer? {
    guard !isBroken else { return plain.scrub(contents) }
    var position = kept.readableBytes
    if kept.readableBytes == 0 { kept = contents } else { kept.writeImmutableBuffer(contents) }
    // Apart from the bytes that it walks over.
    var walk = frames
    defer { frames = walk }
    while let (part, end) = walk.next(kept.readableBytesUInt8Span, from: position) {
      switch part {
      case .header(let endsMessage):
        if endsMessage { settle(message.finish()) }
      case .data(let endsMessage):
        open.append(position..<end)
        if let payload = kept.getSlice(at: kept.readerIndex + position, length: end - position) { settle(message.take(payload)) }
        if endsMessage { settle(message.finish()) }
      case .control(let isWhole):
        let start = control ?? position
        control = isWhole ? nil : start
        if isWhole { maskControl(start..<end) }
      case .broken: return breakUp(at: position)
      }
      position = end
    }
    return emit()
  }

  mutating func finish() -> ByteBuffer? {
    if isBroken { return plain.finish() }
    settle(message.finish())
    control = nil
    return emit()
  }

  /// Masks what was found in the payload, and notes how much of it is settled.
  private mutating func settle(_ piece: FingerprintStream.Piece) {
    guard var left = piece.bytes?.readableBytes else { return }
    var passed = 0
    while left > 0, let range = open.first {
      let taken = min(range.count, left)
      for mark in piece.marks {
        let from = max(mark.lowerBound - passed, 0)
        let to = min(mark.upperBound - passed, taken)
        if from < to { mask((range.lowerBound + from)..<(range.lowerBound + to)) }
      }
      passed += taken
      left -= taken
      if taken == range.count { open.removeFirst() } else { open[0] = (range.lowerBound + taken)..<range.upperBound }
    }
  }

  private mutating func maskControl(_ range: Range<Int>) {
    for match in index.scan(kept.readableBytesUInt8Span.extracting(range), isFinal: true).matches {
      mask((range.lowerBound + match.range.lowerBound)..<(range.lowerBound + match.range.upperBound))
    }
  }

  private mutating func mask(_ range: Range<Int>) {
    kept.setRepeatingByte(UInt8(ascii: "*"), count: range.count, at: kept.readerIndex + range.lowerBound)
  }

  /// The bytes that wait for nothing.
  private mutating func emit() -> ByteBuffer? {
    if kept.readableBytes > Self.mostKept { settle(message.finish()) }
    let end = min(open.first?.lowerBound ?? kept.readableBytes, control ?? kept.readableBytes)
    guard end > 0 else { return nil }
    let ready = kept.readSlice(length: end)
    // A copy: a slice would keep the whole read alive.
    kept = kept.readableBytes == 0 ? ByteBuffer() : ByteBuffer(bytes: kept.readableBytesView)
    open = open.map { ($0.lowerBound - end)..<($0.upperBound - end) }
    control = control.map { $0 - end }
    return ready
  }

  /// From `position` on the bytes are no frames, and looked through as they are.
  private mutating func breakUp(at position: Int) -> ByteBuffer? {
    isBroken = true
    settle(message.finish())
    var ready = kept.readSlice(length: position) ?? ByteBuffer()
    if let rest = plain.scrub(kept) { ready.writeImmutableBuffer(rest) }
    kept = ByteBuffer()
    return ready.readableBytes > 0 ? ready : nil
  }
}

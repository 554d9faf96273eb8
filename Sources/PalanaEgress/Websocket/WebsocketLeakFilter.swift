import NIOCore

/// Looks for the values of secrets in the messages that an agent sends through a websocket. The bytes pass as they are; the read that
/// completes a value does not.
struct WebsocketLeakFilter: BodyFilter {
  private var frames = WebsocketFrames(isMasked: true)
  private var message: LeakStream

  init(_ stream: LeakStream) { message = stream }

  mutating func pass(_ contents: ByteBuffer) throws(Refusal) -> ByteBuffer? {
    var position = 0
    while let (part, end) = frames.next(contents.readableBytesUInt8Span, from: position) {
      switch part {
      case .header(let endsMessage): if endsMessage { _ = try message.finish() }
      case .data(let endsMessage):
        _ = try message.pass(unmasked(contents, position..<end))
        if endsMessage { _ = try message.finish() }
      // Control frames are part of no message, and hold 125 bytes at most.
      case .control: try message.check(unmasked(contents, position..<end))
      case .broken: _ = try message.pass(slice(contents, position..<end))
      }
      position = end
    }
    return contents
  }

  func finish() -> ByteBuffer? { nil }

  /// The payload in `range`, which was passed just now.
  private func unmasked(_ contents: ByteBuffer, _ range: Range<Int>) -> ByteBuffer {
    var bytes = slice(contents, range)
    let (key, passed) = frames.mask
    let first = passed - range.count
    guard key.count == 4 else { return bytes }
    // Every byte is written within the count of the payload.
    unsafe bytes.withUnsafeMutableReadableBytes { payload in
      for index in payload.indices { unsafe payload[index] ^= key[(first &+ index) & 3] }
    }
    return bytes
  }

  private func slice(_ contents: ByteBuffer, _ range: Range<Int>) -> ByteBuffer {
    contents.getSlice(at: contents.readerIndex + range.lowerBound, length: range.count) ?? ByteBuffer()
  }
}

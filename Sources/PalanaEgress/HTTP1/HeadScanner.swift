import NIOCore

/// Finds the end of a message head in bytes that arrive in pieces, looking at every byte once.
///
/// Refuses bare line feeds while it looks: waiting for the rest of such a head would only serve a slow attacker.
struct HeadScanner {
  /// Bytes already looked at, from the reader index of the buffer.
  private var position = 0
  /// Where the current line began.
  private var lineStart = 0

  /// - Returns: the length of the head with its empty line, or nil while it is not complete.
  /// - Throws: ``HeadError``.
  mutating func scan(_ buffer: ByteBuffer, limit: Int) throws(HeadError) -> Int? {
    let bytes = buffer.readableBytesUInt8Span
    let count = bytes.count
    while position < count {
      guard bytes[position] == 10 else {
        position += 1
        continue
      }
      guard position > 0, bytes[position - 1] == 13 else { throw .malformed("a line ends in a bare line feed") }
      let isEmpty = position - 1 == lineStart
      if isEmpty && lineStart == 0 { throw .malformed("the message starts with an empty line") }
      position += 1
      lineStart = position
      if isEmpty {
        guard position <= limit else { throw .tooLarge }
        return position
      }
    }
    guard count < limit else { throw .tooLarge }
    return nil
  }

  mutating func reset() {
    position = 0
    lineStart = 0
  }
}

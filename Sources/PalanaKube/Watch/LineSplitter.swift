import NIOCore

/// Cuts a stream of bytes into lines of bounded length.
struct LineSplitter {
  private var buffer = ByteBuffer()
  /// How far the buffer was searched already.
  private var searched = 0
  private let limit: Int

  init(limit: Int) { self.limit = limit }

  mutating func append(_ bytes: ByteBuffer) {
    if buffer.readableBytes == 0 {
      buffer = bytes
      searched = 0
    } else {
      // What was read makes room for what comes.
      buffer.discardReadBytes()
      buffer.writeImmutableBuffer(bytes)
    }
  }

  /// The next whole line without its break; nil when more bytes are needed. Empty lines are passed over.
  ///
  /// - Throws: ``KubeError`` of kind `malformed` for a line over the limit.
  mutating func next() throws(KubeError) -> [UInt8]? {
    while true {
      let view = buffer.readableBytesView
      guard let end = view.dropFirst(searched).firstIndex(of: 10) else {
        searched = view.count
        guard searched <= limit else { throw KubeError(.malformed, "an event of a watch is longer than \(limit) bytes") }
        return nil
      }
      let length = end - view.startIndex
      guard length <= limit else { throw KubeError(.malformed, "an event of a watch is longer than \(limit) bytes") }
      let line = buffer.readBytes(length: length) ?? []
      buffer.moveReaderIndex(forwardBy: 1)
      searched = 0
      if !line.isEmpty { return line }
    }
  }
}

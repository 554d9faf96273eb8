package import NIOCore

/// One event of a stream (WHATWG HTML, section 9.2), or what stands between two: blank lines, comments, fields without data.
package struct StreamEvent: Hashable, Sendable {
  /// All its bytes as they came, to the blank line that ends it, so that it can be passed on unchanged.
  package var raw: ByteBuffer
  /// Its `event` field; nil when it has none.
  package var type: ByteBuffer?
  /// Its `data`, lines joined by LF; nil when it has none, which readers of a stream pass over.
  package var data: ByteBuffer?
  /// Whether the blank line that ends an event came. The last of a stream may lack it: programs that keep to the standard pass over it.
  package var isComplete = true

  /// Whether its `event` field is this.
  package func isOfType(_ name: StaticString) -> Bool {
    guard let type else { return false }
    return type.readableBytesUInt8Span.equals(name, at: 0..<type.readableBytes)
  }

  /// Whether it is `data: [DONE]`, with which a stream of OpenAI ends.
  package var isDone: Bool {
    guard let data else { return false }
    return data.readableBytesUInt8Span.equals("[DONE]", at: 0..<data.readableBytes)
  }
}

/// What a stream of an upstream does that ends it.
package enum StreamFailure: Error, Hashable, Sendable {
  /// An event is longer than the limit, in bytes.
  case eventTooLong(limit: Int)
}

import NIOCore

/// What the way of a request needs of its upstream: an HTTP/1.1 connection or one stream of an HTTP/2 connection.
///
/// Contents are given without any framing. Nothing is sent before ``flush()``.
protocol UpstreamSide: AnyObject {
  var key: UpstreamKey { get }
  /// Whether it may carry another request.
  var isUsable: Bool { get }
  var isWritable: Bool { get }
  /// Whether it carried requests before: it may have been closed without our knowing.
  var isReused: Bool { get }
  /// Whether it can say that it did not look at a request.
  var tellsUnprocessed: Bool { get }
  var bufferedBytes: Int { get }

  /// Begins an exchange; the response is reported to `user`.
  func begin(for user: RequestFlow, isHeadRequest: Bool, isChunked: Bool)
  /// The head as bytes of HTTP/1.1.
  func sendHead(_ head: ByteBuffer)
  func sendContents(_ contents: ByteBuffer)
  func sendEnd(trailers: HeadFields?)
  func flush()
  /// The agent's side can take bytes again.
  func resumeReading()
  /// From here on bytes only, in both directions.
  func becomeRaw()

  /// Ends the use.
  func release()
  func closeGracefully()
  /// Ends a websocket whose agent has closed.
  func finishRelay()
  /// Ends at once.
  func abort()
}

/// A connection to an upstream that is being opened.
protocol PendingDial: AnyObject {
  /// Nothing is reported any more.
  func cancel()
}

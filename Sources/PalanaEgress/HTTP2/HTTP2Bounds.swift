import NIOCore
import NIOHTTP2

/// What one HTTP/2 connection may use, in either role. The reasons of the numbers that are not NIO's stand beside them.
enum HTTP2Bounds {
  /// Streams at one moment.
  static let streams = 128
  /// Contents of one stream that the other side may send before we have passed any on.
  static let streamWindow = 131_072
  /// The same for all streams together: it bounds what one connection can make us hold.
  static let connectionWindow = 1_048_576
  /// Contents of one stream that may wait for the other side's windows.
  static let streamWaiting = 65_536
  /// The same for all streams together.
  static let connectionWaiting = 1_048_576
  /// Contents of a request that was answered already that are still taken, and for how long.
  static let discarded = 16 << 20
  static let discardTime = TimeAmount.seconds(2)
  /// Window updates beyond ten for each frame that was sent.
  static let windowUpdates = 1_000

  static func handler(_ mode: NIOHTTP2Handler.ParserMode, headerBytes: Int, delegate: HTTP2Connection) -> NIOHTTP2Handler {
    var connection = NIOHTTP2Handler.ConnectionConfiguration()
    connection.initialSettings = [
      HTTP2Setting(parameter: .initialWindowSize, value: streamWindow),
      // Larger than what is accepted, so that most heads that are too large can be answered.
      HTTP2Setting(parameter: .maxHeaderListSize, value: 2 * headerBytes),
      HTTP2Setting(parameter: .headerTableSize, value: 4096),
    ]
    switch mode {
    case .server:
      connection.initialSettings += [
        HTTP2Setting(parameter: .maxConcurrentStreams, value: streams),
        HTTP2Setting(parameter: .enableConnectProtocol, value: 1),
      ]
    case .client:
      connection.initialSettings += [
        HTTP2Setting(parameter: .maxConcurrentStreams, value: 0), HTTP2Setting(parameter: .enablePush, value: 0),
      ]
    }
    // Our own checks are stricter, and answer and write down what they refuse.
    connection.headerBlockValidation = .disabled
    connection.contentLengthValidation = .disabled
    connection.maximumBufferedControlFrames = 1_000
    // Some clients send one at the end of each message.
    connection.maximumSequentialEmptyDataFrames = 32
    // gRPC measures the path with pings, up to ten a second.
    connection.controlFrameRateLimit.maximumCount = 600
    var stream = NIOHTTP2Handler.StreamConfiguration()
    // A client that gives up many requests at once is no attacker; one that does nothing else is.
    stream.streamResetFrameRateLimit.maximumCount = 2 * streams
    return NIOHTTP2Handler(
      mode: mode, frameDelegate: delegate, connectionConfiguration: connection, streamConfiguration: stream)
  }
}

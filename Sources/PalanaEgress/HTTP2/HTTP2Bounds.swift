import NIOCore
import NIOHTTP2

/// What one HTTP/2 connection may use, in either role, besides ``EgressLimits/HTTP2``. The reasons of the numbers that are not NIO's
/// stand beside them.
enum HTTP2Bounds {
  /// Contents of one stream that may wait for the other side's windows.
  static let streamWaiting = 65_536
  /// The same for all streams together.
  static let connectionWaiting = 1_048_576
  /// Contents of a request that was answered already that are still taken, and for how long.
  static let discarded = 16 << 20
  static let discardTime = TimeAmount.seconds(2)
  /// Window updates beyond ten for each frame that was sent.
  static let windowUpdates = 1_000

  /// The handlers of one connection, `connection` the last of them.
  static func handlers(
    _ mode: NIOHTTP2Handler.ParserMode, limits: EgressLimits, connection: HTTP2Connection
  ) -> [any ChannelHandler] {
    let protocolHandler = handler(mode, limits: limits, delegate: connection)
    guard mode == .server else { return [protocolHandler, connection] }
    return [StreamLimitAnnouncement(limits.http2.streams), protocolHandler, connection]
  }

  private static func handler(
    _ mode: NIOHTTP2Handler.ParserMode, limits: EgressLimits, delegate: HTTP2Connection
  ) -> NIOHTTP2Handler {
    let streams = limits.http2.streams
    var connection = NIOHTTP2Handler.ConnectionConfiguration()
    connection.initialSettings = [
      HTTP2Setting(parameter: .initialWindowSize, value: limits.http2.streamWindow),
      // Larger than what is accepted, so that most heads that are too large can be answered.
      HTTP2Setting(parameter: .maxHeaderListSize, value: 2 * limits.headerBytes),
      HTTP2Setting(parameter: .headerTableSize, value: 4096),
    ]
    switch mode {
    case .server:
      connection.initialSettings += [
        // Twice what the client is told: what is above that number reaches us, and is refused stream by stream.
        HTTP2Setting(parameter: .maxConcurrentStreams, value: 2 * streams),
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

import NIOCore

/// Tells the client a smaller number of streams than NIO's handler lets through.
///
/// The handler ends the whole connection for one stream too many. So it is told a larger number, and the streams between the two reach
/// ``HTTP2Connection``, which refuses each of them alone (RFC 9113 §5.1.2). Only the first frame of the connection is touched, which is
/// the settings (RFC 9113 §3.4).
final class StreamLimitAnnouncement: ChannelOutboundHandler, RemovableChannelHandler {
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let streams: UInt32
  private static let settings: UInt8 = 4
  private static let maxConcurrentStreams: UInt16 = 3

  init(_ streams: Int) { self.streams = UInt32(clamping: streams) }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    context.write(wrapOutboundOut(announced(unwrapOutboundIn(data))), promise: promise)
    context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
  }

  private func announced(_ bytes: ByteBuffer) -> ByteBuffer {
    var frame = bytes
    guard let high = frame.readInteger(as: UInt8.self), let low = frame.readInteger(as: UInt16.self),
      frame.readInteger(as: UInt8.self) == Self.settings, frame.readBytes(length: 5) != nil,
      var settings = frame.readSlice(length: Int(high) << 16 | Int(low))
    else { return bytes }
    var changed = bytes
    var place = bytes.readerIndex + 9
    while let name = settings.readInteger(as: UInt16.self), settings.readInteger(as: UInt32.self) != nil {
      if name == Self.maxConcurrentStreams { changed.setInteger(streams, at: place + 2) }
      place += 6
    }
    return changed
  }
}

import NIOCore
import NIOHPACK
import NIOHTTP2

/// What the streams of one HTTP/2 connection share, in either role: frames in and out, windows, bounds.
///
/// It stands behind NIO's handler, which keeps the state of the protocol. Streams are plain objects, no channels: a frame costs a
/// look-up. Contents that the other side does not take are bounded by stream and by connection; what is received is bounded by
/// the windows, which open again only when the contents have left.
final class HTTP2Connection: ChannelDuplexHandler, NIOHTTP2FrameDelegate {
  typealias InboundIn = HTTP2Frame
  typealias OutboundIn = Never
  typealias OutboundOut = HTTP2Frame

  private weak var owner: (any HTTP2Owner)?
  let limits: EgressLimits.HTTP2
  private var context: ChannelHandlerContext?
  private(set) var streams: [HTTP2StreamID: HTTP2Stream] = [:]
  /// Bytes of contents of all streams that wait to be sent.
  private var waiting = 0
  /// Bytes that left and that the other side was not told of yet.
  private var owed = 0
  /// Streams wait until less waits in all.
  private var isFull = false
  private var needsFlush = false
  private var isFlushPlanned = false
  private var isReading = false
  private var isReadHeld = false
  private var touched: [HTTP2Stream] = []
  private var eased: [HTTP2Stream] = []
  private var windowUpdates = 0
  private var framesSent = 0
  /// No further stream may begin: one of the sides has said that it goes.
  private(set) var isGoingAway = false
  private var hasSentGoAway = false
  /// The newest stream of the other side.
  private var lastBegun = HTTP2StreamID.rootStream
  private(set) var peerStreams = 100
  private(set) var peerTakesExtendedConnect = false
  private(set) var hasSettings = false

  init(owner: any HTTP2Owner, limits: EgressLimits.HTTP2) {
    self.owner = owner
    self.limits = limits
  }

  // MARK: Channel

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    let increment = limits.connectionWindow - 65_535
    if increment > 0 { write(.rootStream, .windowUpdate(windowSizeIncrement: increment)) }
    flushNow()
  }

  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let frame = unwrapInboundIn(data)
    isReading = true
    switch frame.payload {
    case .headers(let headers): received(headers, frame.streamID)
    case .data(let contents): received(contents, frame.streamID)
    case .goAway(let last, _, _):
      isGoingAway = true
      for (id, stream) in streams where id > last { stream.wasRefused = true }
      owner?.goesAway(self)
    case .settings(.settings(let settings)):
      hasSettings = true
      for setting in settings {
        switch setting.parameter {
        case .maxConcurrentStreams: peerStreams = setting.value
        case .enableConnectProtocol: peerTakesExtendedConnect = setting.value == 1
        default: break
        }
      }
      owner?.settingsChanged(self)
    case .windowUpdate:
      windowUpdates += 1
      // Windows that open byte by byte would make many small frames of few bytes.
      if windowUpdates > HTTP2Bounds.windowUpdates + 10 * framesSent { refuseConnection(.enhanceYourCalm) }
    default: break
    }
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    isReading = false
    let touched = self.touched
    self.touched.removeAll(keepingCapacity: true)
    for stream in touched {
      stream.isTouched = false
      stream.readComplete()
    }
    ease()
    if needsFlush { flushNow() }
    owner?.readComplete(self)
    context.fireChannelReadComplete()
  }

  func read(context: ChannelHandlerContext) {
    // Who does not read the answers gets no further questions in.
    if context.channel.isWritable { context.read() } else { isReadHeld = true }
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    if context.channel.isWritable {
      if isReadHeld {
        isReadHeld = false
        context.read()
      }
      for stream in Array(streams.values) where stream.isHeldBack { ease(stream) }
    }
    context.fireChannelWritabilityChanged()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    switch event {
    case let event as StreamClosedEvent: closed(event.streamID, event.reason)
    case is NIOHTTP2WindowUpdatedEvent, is NIOHTTP2StreamCreatedEvent, is NIOHTTP2BulkStreamWindowChangeEvent: break
    default: context.fireUserInboundEventTriggered(event)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // An error of one stream has reset it, which is reported on its own. One of the connection has sent the farewell.
    guard hasSentGoAway || !(error is any NIOHTTP2Error) else { return }
    context.fireErrorCaught(error)
  }

  // MARK: Frames that came

  private func received(_ headers: HTTP2Frame.FramePayload.Headers, _ id: HTTP2StreamID) {
    if let stream = streams[id] {
      touch(stream)
      return stream.headers(headers.headers, endsStream: headers.endStream)
    }
    guard let owner, !isGoingAway, streams.count < limits.streams else { return write(id, .rstStream(.refusedStream)) }
    lastBegun = max(lastBegun, id)
    owner.accept(headers.headers, id, endsStream: headers.endStream, on: self)
  }

  private func received(_ data: HTTP2Frame.FramePayload.Data, _ id: HTTP2StreamID) {
    guard case .byteBuffer(let contents) = data.data else { return }
    let size = contents.readableBytes + (data.paddingBytes.map { $0 + 1 } ?? 0)
    guard let stream = streams[id] else { return owe(size) }
    stream.uncredited += size
    if data.endStream { stream.isRemoteDone = true }
    touch(stream)
    stream.contents(contents, endsStream: data.endStream)
  }

  private func touch(_ stream: HTTP2Stream) {
    guard !stream.isTouched else { return }
    stream.isTouched = true
    touched.append(stream)
  }

  private func closed(_ id: HTTP2StreamID, _ reason: HTTP2ErrorCode?) {
    guard let stream = streams.removeValue(forKey: id) else { return }
    waiting -= stream.waiting
    stream.waiting = 0
    stream.isClosed = true
    owe(stream.uncredited)
    stream.uncredited = 0
    stream.closed(reason)
    owner?.streamClosed(self)
  }

  // MARK: What streams do

  func add(_ stream: HTTP2Stream) { streams[stream.id] = stream }

  /// Streams that nobody reads must not hold up the others: one that has nothing waiting may always send.
  func isWritable(for stream: HTTP2Stream) -> Bool {
    guard waiting < HTTP2Bounds.connectionWaiting || stream.waiting == 0 else {
      isFull = true
      return false
    }
    return context?.channel.isWritable == true
  }

  func send(_ contents: ByteBuffer, endsStream: Bool, on stream: HTTP2Stream) {
    guard !stream.isClosed else { return }
    stream.waiting += contents.readableBytes
    waiting += contents.readableBytes
    write(stream.id, .data(.init(data: .byteBuffer(contents), endStream: endsStream)))
  }

  func send(_ headers: HPACKHeaders, endsStream: Bool, on stream: HTTP2Stream) {
    guard !stream.isClosed else { return }
    write(stream.id, .headers(.init(headers: headers, endStream: endsStream)))
  }

  func reset(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) {
    guard !stream.isClosed else { return }
    write(stream.id, .rstStream(code))
    flush()
  }

  /// The contents that the stream received have left: the other side may send more.
  func release(_ stream: HTTP2Stream) {
    guard stream.uncredited > 0 else { return }
    stream.owed += stream.uncredited
    let count = stream.uncredited
    stream.uncredited = 0
    if stream.owed >= limits.streamWindow / 2, !stream.isRemoteDone, !stream.isClosed {
      write(stream.id, .windowUpdate(windowSizeIncrement: stream.owed))
      stream.owed = 0
      flush()
    }
    owe(count)
  }

  private func owe(_ count: Int) {
    owed += count
    guard owed >= limits.connectionWindow / 2 else { return }
    write(.rootStream, .windowUpdate(windowSizeIncrement: owed))
    owed = 0
    flush()
  }

  /// Sends what was written, together with what else is written in this turn of the event loop.
  func flush() {
    needsFlush = true
    guard !isReading, !isFlushPlanned, let context else { return }
    isFlushPlanned = true
    let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
    context.eventLoop.execute {
      bound.value.isFlushPlanned = false
      bound.value.flushNow()
    }
  }

  /// Says that no further stream is taken, which one was the last, and that nothing is wrong: what began later was not looked at, and
  /// may be asked elsewhere.
  func goAway() {
    guard !hasSentGoAway else { return }
    isGoingAway = true
    write(.rootStream, .goAway(lastStreamID: lastBegun, errorCode: .noError, opaqueData: nil))
    flushNow()
  }

  /// The channel is gone, or is about to be cut: every stream is told.
  func end(_ body: (HTTP2Stream) -> Void) {
    let open = Array(streams.values)
    streams = [:]
    waiting = 0
    for stream in open {
      stream.isClosed = true
      body(stream)
    }
  }

  var bufferedBytes: Int { waiting + streams.values.reduce(0) { $0 + $1.uncredited } }

  private func refuseConnection(_ code: HTTP2ErrorCode) {
    guard !hasSentGoAway, let context else { return }
    write(.rootStream, .goAway(lastStreamID: .maxID, errorCode: code, opaqueData: nil))
    flushNow()
    context.close(promise: nil)
  }

  private func write(_ id: HTTP2StreamID, _ payload: HTTP2Frame.FramePayload) {
    guard let context else { return }
    needsFlush = true
    context.write(wrapOutboundOut(HTTP2Frame(streamID: id, payload: payload)), promise: nil)
  }

  private func flushNow() {
    needsFlush = false
    context?.flush()
    ease()
  }

  // MARK: Frames that left

  func wroteFrame(_ frame: HTTP2Frame) {
    switch frame.payload {
    case .data(let data):
      framesSent += 1
      guard let stream = streams[frame.streamID] else { return }
      stream.waiting -= data.data.readableBytes
      waiting -= data.data.readableBytes
      if stream.isHeldBack || stream.waiting == 0, !stream.isEasing, stream.waiting <= HTTP2Bounds.streamWaiting / 4 {
        stream.isEasing = true
        eased.append(stream)
      }
    case .headers: framesSent += 1
    case .goAway: hasSentGoAway = true
    default: break
    }
  }

  private func ease() {
    while let stream = eased.popLast() {
      stream.isEasing = false
      ease(stream)
    }
    guard isFull, waiting < HTTP2Bounds.connectionWaiting / 2 else { return }
    isFull = false
    for stream in Array(streams.values) where stream.isHeldBack { ease(stream) }
  }

  private func ease(_ stream: HTTP2Stream) {
    guard !stream.isClosed, stream.isWritable else { return }
    stream.isHeldBack = false
    stream.canTakeMore()
  }
}

/// Who an HTTP/2 connection belongs to.
protocol HTTP2Owner: AnyObject {
  /// The other side begins a stream.
  func accept(_ headers: HPACKHeaders, _ id: HTTP2StreamID, endsStream: Bool, on connection: HTTP2Connection)
  func streamClosed(_ connection: HTTP2Connection)
  func settingsChanged(_ connection: HTTP2Connection)
  func goesAway(_ connection: HTTP2Connection)
  func readComplete(_ connection: HTTP2Connection)
}

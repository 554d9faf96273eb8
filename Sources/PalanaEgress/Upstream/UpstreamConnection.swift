import NIOCore
import NIOSSL
import NIOTLS
import PalanaPolicy

/// One connection to an upstream, for one request at a time. The last handler of its channel.
final class UpstreamConnection: ChannelDuplexHandler, UpstreamSide {
  typealias InboundIn = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private enum Phase {
    case opening
    case idle
    /// HTTP/2: its streams are requests.
    case shared
    /// A request was sent; no response head yet.
    case head
    case body
    /// Switched to another protocol: bytes only.
    case raw
    /// Bytes only, and none come from the agent any more: the last ones are being sent.
    case ending
    case closed
  }

  let key: UpstreamKey
  let loop: LoopContext
  /// When it is closed if nobody needs it.
  var expires = NIODeadline.distantFuture
  /// Who uses it now.
  var user: RequestFlow?
  /// Called once, when the connection can be used or never will be.
  private var onOpen: ((Result<UpstreamConnection, UpstreamFailure>) -> Void)?
  private(set) var exchanges = 0
  /// Its streams, when it speaks HTTP/2, and the number of the next one.
  var multiplexed: HTTP2Connection?
  var nextStream = 1
  private var context: ChannelHandlerContext?
  private var phase = Phase.opening
  private var received: ByteBuffer?
  private var scanner = HeadScanner()
  private var body = BodyDecoder(.none, overheadLimit: 0)
  private var isHeadRequest = false
  /// Whether the body of the request goes out in chunks, and those that are not written yet.
  private var isChunked = false
  private var chunks: ByteBuffer?
  private var canBeReused = true
  private var spareFields: [HeadField] = []
  private var isReadHeld = false
  private static let mostReadBytes = 16_384

  init(
    key: UpstreamKey, loop: LoopContext, onOpen: @escaping (Result<UpstreamConnection, UpstreamFailure>) -> Void
  ) {
    self.key = key
    self.loop = loop
    self.onOpen = onOpen
  }

  /// Whether it may still carry a request.
  var isUsable: Bool { phase == .idle && context?.channel.isActive == true }
  var isWritable: Bool { context?.channel.isWritable ?? false }
  var isReused: Bool { exchanges > 1 }
  var tellsUnprocessed: Bool { false }
  var isActive: Bool { phase == .shared && context?.channel.isActive == true }
  /// Bytes of both directions that wait here.
  var bufferedBytes: Int { (multiplexed?.bufferedBytes ?? 0) + (received?.storageCapacity ?? 0) + (context?.channel.waitingBytes ?? 0) }

  // MARK: What the user does

  /// Begins an exchange; the response is reported to `user`.
  func begin(for user: RequestFlow, isHeadRequest: Bool, isChunked: Bool) {
    self.user = user
    self.isHeadRequest = isHeadRequest
    self.isChunked = isChunked
    chunks = nil
    exchanges += 1
    canBeReused = true
    scanner.reset()
    phase = .head
  }

  /// The head as bytes of HTTP/1.1. Nothing is sent before ``flush()``.
  func sendHead(_ head: ByteBuffer) { write(head) }

  func sendContents(_ contents: ByteBuffer) {
    guard isChunked else { return write(contents) }
    var buffer = chunks ?? ByteBufferAllocator().buffer(capacity: contents.readableBytes + 32)
    chunks = nil
    ChunkWriter.write(contents, into: &buffer)
    chunks = buffer
  }

  /// The request is whole. Trailers end here.
  func sendEnd(trailers: HeadFields?) {
    guard isChunked else { return }
    var buffer = chunks ?? ByteBufferAllocator().buffer(capacity: 8)
    chunks = nil
    ChunkWriter.writeEnd(into: &buffer)
    chunks = buffer
  }

  func flush() {
    if let chunks {
      self.chunks = nil
      write(chunks)
    }
    context?.flush()
  }

  private func write(_ buffer: ByteBuffer) { context?.write(wrapOutboundOut(buffer), promise: nil) }

  /// Ends the use. It is kept for the next request if the last response ended cleanly.
  func release() {
    user = nil
    guard phase != .shared else { return }
    guard phase == .idle, loop.pool.put(self, now: loop.now) else { return closeGracefully() }
  }

  /// The agent's side can take bytes again.
  func resumeReading() {
    guard isReadHeld, let context else { return }
    isReadHeld = false
    context.read()
  }

  func closeGracefully() {
    user = nil
    guard phase != .closed else { return }
    phase = .closed
    multiplexed?.goAway()
    endStreams()
    context?.close(promise: nil)
  }

  /// Ends a relay whose agent has closed: what it said last still arrives, then the upstream is waited for, within bounds.
  func finishRelay() {
    user = nil
    guard phase == .raw, let context, loop.pool.linger(self, now: loop.now) else { return abort() }
    phase = .ending
    context.close(mode: .output, promise: nil)
    resumeReading()
  }

  /// Closes at once: no farewell, nothing that is still queued goes out.
  func abort() {
    user = nil
    onOpen = nil
    endStreams()
    guard let context else {
      phase = .closed
      return
    }
    phase = .closed
    RawClose.now(context)
  }

  /// From here on bytes only, in both directions.
  func becomeRaw() {
    phase = .raw
    isChunked = false
    canBeReused = false
  }

  // MARK: Channel

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    // Cut while it was being set up.
    if phase == .closed { context.close(promise: nil) }
  }

  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  func channelActive(context: ChannelHandlerContext) {
    if key.scheme == .http { opened() }
    context.fireChannelActive()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case TLSUserEvent.handshakeCompleted(let negotiated) = event { verified(context, negotiated) }
    context.fireUserInboundEventTriggered(event)
  }

  /// The chain is trusted; whose certificate it is, is looked at once more.
  private func verified(_ context: ChannelHandlerContext, _ negotiated: String?) {
    let leaf = try? context.pipeline.syncOperations.nioSSL_peerCertificate()
    guard let leaf, PeerName.isProven(key.authority.host, by: leaf) else {
      fail(UpstreamFailure(.upstreamCertificateInvalid, "the upstream's certificate is not for this name"))
      return context.close(promise: nil)
    }
    if negotiated == "h2" { startHTTP2(context) } else { opened() }
  }

  func opened() {
    guard phase == .opening else { return }
    phase = multiplexed == nil ? .idle : .shared
    let callback = onOpen
    onOpen = nil
    callback?(.success(self))
  }

  func read(context: ChannelHandlerContext) {
    if phase == .head || phase == .body || phase == .raw, let user, !user.canTakeResponse {
      isReadHeld = true
      return
    }
    context.read()
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    if context.channel.isWritable { user?.upstreamCanTakeMore() }
    context.fireChannelWritabilityChanged()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var bytes = unwrapInboundIn(data)
    if phase == .raw {
      user?.upstreamContents(bytes)
      return
    }
    if phase == .ending { return }
    // Of an upstream that never stops sending heads only the unread bytes are kept.
    if let read = received?.readerIndex, read > Self.mostReadBytes { received?.discardReadBytes() }
    if received != nil {
      received?.writeBuffer(&bytes)
    } else {
      received = bytes
    }
    process()
  }

  func channelReadComplete(context: ChannelHandlerContext) { user?.upstreamReadComplete() }

  func channelInactive(context: ChannelHandlerContext) {
    let phase = self.phase
    self.phase = .closed
    switch phase {
    case .opening: fail(UpstreamFailure(.upstreamUnreachable, "the upstream closed the connection during the handshake"))
    case .idle:
      loop.pool.remove(self)
      user?.idleUpstreamClosed(self)
      user = nil
    case .head:
      fail(
        UpstreamFailure(
          .upstreamProtocolError, "the upstream closed the connection before its response",
          isBeforeResponse: received == nil))
    case .body:
      if body.endsWithConnection {
        let user = self.user
        self.user = nil
        user?.upstreamEnded(self, trailers: nil)
      } else {
        fail(UpstreamFailure(.upstreamProtocolError, "the upstream closed the connection in the middle of its response"))
      }
    case .raw:
      let user = self.user
      self.user = nil
      user?.relayUpstreamClosed()
    case .ending: loop.pool.remove(self)
    case .shared: endStreams()
    case .closed: break
    }
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // Many servers close without the farewell of TLS; the framing of the message decides whether something is missing.
    if case NIOSSLError.uncleanShutdown = error { return }
    if phase == .opening { fail(UpstreamFailure(connecting: error)) }
    context.close(promise: nil)
  }

  private func fail(_ failure: UpstreamFailure) {
    if let callback = onOpen {
      onOpen = nil
      phase = .closed
      callback(.failure(failure))
      return
    }
    let user = self.user
    self.user = nil
    user?.upstreamFailed(failure)
  }

  // MARK: The response

  private func process() {
    while true {
      switch phase {
      case .head: guard readHead() else { return }
      case .body: guard readBody() else { return }
      case .raw:
        if let rest = received {
          received = nil
          user?.upstreamContents(rest)
        }
        return
      case .idle:
        // Bytes that nobody asked for: the start of an answer to the next request would be a gift of the upstream.
        if received != nil {
          loop.pool.remove(self)
          user?.idleUpstreamClosed(self)
          abort()
        }
        return
      case .opening, .shared, .ending, .closed:
        received = nil
        return
      }
    }
  }

  private func readHead() -> Bool {
    guard var bytes = received else { return false }
    do {
      guard let length = try scanner.scan(bytes, limit: loop.shared.limits.headerBytes) else { return false }
      scanner.reset()
      guard let slice = bytes.readSlice(length: length) else { return false }
      received = bytes.readableBytes == 0 ? nil : bytes
      let head = try ResponseHead(
        slice, isHead: isHeadRequest, limits: loop.shared.limits, reusing: takeSpareFields())
      if head.status < 200 && head.status != 101 {
        user?.upstreamInterim(head)
      } else {
        canBeReused = head.keepsAlive
        body = BodyDecoder(head.framing, overheadLimit: loop.shared.limits.headerBytes)
        phase = .body
        user?.upstreamHead(head)
      }
      spareFields = head.fields.fields
      return true
    } catch {
      refuse(error)
      return false
    }
  }

  private func takeSpareFields() -> [HeadField] {
    let fields = spareFields
    spareFields = []
    return fields
  }

  private func readBody() -> Bool {
    guard phase == .body else { return true }
    do {
      var bytes = received ?? ByteBuffer()
      switch try body.next(&bytes) {
      case .contents(let contents):
        received = bytes.readableBytes == 0 ? nil : bytes
        user?.upstreamContents(contents)
        return true
      case .needsMore:
        received = nil
        return false
      case .end:
        received = bytes.readableBytes == 0 ? nil : bytes
        finishResponse()
        return true
      }
    } catch {
      refuse(error)
      return false
    }
  }

  private func finishResponse() {
    phase = canBeReused && received == nil ? .idle : .closed
    let user = self.user
    user?.upstreamEnded(self, trailers: nil)
    if phase == .closed {
      self.user = nil
      context?.close(promise: nil)
    }
  }

  private func refuse(_ error: HeadError) {
    let why =
      switch error {
      case .tooLarge: "the upstream's response head is too large"
      case .malformed(let text): "the upstream's response is malformed: \(text)"
      }
    phase = .closed
    fail(UpstreamFailure(.upstreamProtocolError, why))
    context?.close(promise: nil)
  }
}

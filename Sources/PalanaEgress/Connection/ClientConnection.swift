import NIOCore
import NIOSSL
import NIOTLS
import PalanaAudit
import PalanaCore
import PalanaPolicy

/// One connection of an agent: the last handler of its channel, from the first byte to the last, inside and outside its tunnel.
///
/// It speaks HTTP/1.1; the way of each request is its ``RequestFlow``. Everything runs on the connection's event loop.
/// The extensions are one file for each part: proxy requests, tunnels, requests inside, what the agent is sent, endings.
final class ClientConnection: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  enum Phase {
    /// A redirected connection whose first bytes are awaited.
    case opening
    /// Between requests, or in the middle of a request head.
    case head
    /// A CONNECT is being decided.
    case deciding
    /// The tunnel is open; its first bytes are awaited.
    case hello
    case minting
    case handshaking
    case exchange
    /// A websocket: bytes only.
    case relay
    /// HTTP/2: its streams are requests of their own.
    case multiplexed
    /// The last answer was sent; what still comes is thrown away until the client closes.
    case draining
    case closed
  }

  let loop: LoopContext
  /// Of all its requests, one after the other.
  let flow: RequestFlow
  /// What a redirected connection was to reach; nil: the agent speaks to its proxy.
  let destination: Authority?
  var context: ChannelHandlerContext?
  var phase: Phase

  /// Bytes that were not looked at yet.
  var inbound: ByteBuffer?
  var scanner = HeadScanner()
  /// The body of the request that is under way.
  var body = BodyDecoder(.none, overheadLimit: 0)
  /// Bytes for the client that are not written yet: heads and small bodies leave as one.
  var outbound: ByteBuffer?
  /// Something was written and not flushed.
  var needsFlush = false
  /// Whether the response goes to the agent in chunks.
  var isChunked = false
  var multiplexed: HTTP2Connection?
  var deadline: NIODeadline
  /// Answers 407 so far.
  var challenges = 0
  private var isReadHeld = false
  private(set) var isDriving = false
  /// Bytes in front of ``inbound`` that were looked at already and may still be held.
  private static let mostReadBytes = 16_384

  init(agent: EgressAgent, source: AuditEvent.Source, loop: LoopContext, destination: Authority? = nil) {
    self.destination = destination
    phase = destination == nil ? .head : .opening
    flow = RequestFlow(agent: agent, source: source, loop: loop)
    self.loop = loop
    deadline = loop.now + TimeAmount(loop.shared.limits.headTimeout)
  }

  var limits: EgressLimits { loop.shared.limits }
  var agent: EgressAgent { flow.agent }
  var tunnel: Tunnel? { flow.tunnel }

  // MARK: Channel

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    flow.client = self
  }

  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var bytes = unwrapInboundIn(data)
    let isFirst = inbound == nil
    if isFirst {
      inbound = bytes
    } else {
      inbound?.writeBuffer(&bytes)
      // A client that pipelines without end must not make the buffer grow without end.
      if let read = inbound?.readerIndex, read > Self.mostReadBytes { inbound?.discardReadBytes() }
    }
    drive()
    // The time for a head begins with its first byte, and more bytes do not extend it.
    if isFirst, phase == .head, inbound != nil { deadline = loop.now + TimeAmount(limits.headTimeout) }
  }

  func channelReadComplete(context: ChannelHandlerContext) { flush() }

  /// Backpressure: the channel asks for the next read here, and gets it only while its bytes have somewhere to go.
  func read(context: ChannelHandlerContext) {
    if wantsBytes { context.read() } else { isReadHeld = true }
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    if context.channel.isWritable { flow.upstream?.resumeReading() }
    context.fireChannelWritabilityChanged()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case TLSUserEvent.handshakeCompleted(let negotiated) = event { handshakeCompleted(negotiated) }
    context.fireUserInboundEventTriggered(event)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if case NIOSSLError.uncleanShutdown = error { return }
    if phase == .handshaking { return handshakeFailed() }
    end(.clientAborted)
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) {
    if phase == .handshaking { handshakeFailed() }
    end(.clientAborted)
    loop.unregister(self)
    context.fireChannelInactive()
  }

  // MARK: Reading

  /// Whether bytes from the client have somewhere to go.
  private var wantsBytes: Bool {
    switch phase {
    case .exchange:
      // While a body streams its bytes leave at once; otherwise a bounded amount may wait.
      return flow.takesContents ? flow.wantsContents : isInboundBounded
    case .relay: return flow.wantsContents
    default: return isInboundBounded
    }
  }

  private var isInboundBounded: Bool { (inbound?.readableBytes ?? 0) < limits.headerBytes }

  /// Bytes of both directions that wait here.
  var bufferedBytes: Int {
    (inbound?.storageCapacity ?? 0) + (outbound?.readableBytes ?? 0) + (context?.channel.waitingBytes ?? 0)
      + (flow.upstream?.bufferedBytes ?? 0) + (multiplexed?.bufferedBytes ?? 0) + streamsUpstreamBytes
  }

  func updateRead() {
    guard isReadHeld, wantsBytes, let context else { return }
    isReadHeld = false
    context.read()
  }

  /// Works through the bytes that are there, until more bytes or something else is needed.
  func drive() {
    // A request may end while it is being started; the loop below goes on with the next one then.
    guard !isDriving else { return }
    isDriving = true
    defer {
      isDriving = false
      updateRead()
    }
    while true {
      switch phase {
      case .head:
        guard let head = takeHead() else { return }
        if tunnel != nil {
          handleInnerRequest(head)
        } else if let destination {
          handleRedirectedRequest(head, destination)
        } else {
          handleProxyRequest(head)
        }
      case .opening:
        guard readOpening() else { return }
      case .hello:
        guard readHello() else { return }
      case .exchange:
        feedBody()
        if phase == .exchange { return }
      case .relay:
        relayToUpstream()
        return
      case .draining, .closed:
        inbound = nil
        return
      case .deciding, .minting, .handshaking, .multiplexed: return
      }
    }
  }

  /// The next request head, once it is complete.
  private func takeHead() -> RequestHead? {
    guard var bytes = inbound else { return nil }
    do {
      guard let length = try scanner.scan(bytes, limit: limits.headerBytes) else { return nil }
      scanner.reset()
      guard let slice = bytes.readSlice(length: length) else { return nil }
      inbound = bytes.readableBytes == 0 ? nil : bytes
      let storage = flow.spareFields
      flow.spareFields = []
      return try RequestHead(slice, limits: limits, reusing: storage)
    } catch {
      refuseMalformed(error)
      return nil
    }
  }

  // MARK: Deadlines and changes from outside

  func checkDeadline(_ now: NIODeadline) {
    if phase == .multiplexed { return checkStreams(now) }
    guard deadline <= now else { return }
    switch phase {
    case .head where inbound != nil: refuseSlowHead()
    case .head, .draining: context?.close(promise: nil)
    case .opening: openingTimedOut()
    case .hello, .minting, .handshaking: handshakeTimedOut()
    case .deciding, .exchange, .relay: streamTimedOut()
    case .multiplexed: break
    case .closed: break
    }
  }

  func touch() { deadline = loop.now + TimeAmount(limits.streamTimeout) }
}

extension Channel {
  /// Bytes that were written and that the system did not take yet.
  var waitingBytes: Int { (try? syncOptions?.getOption(.bufferedWritableBytes)) ?? 0 }
}

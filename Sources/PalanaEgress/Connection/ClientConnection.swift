import NIOCore
import NIOSSL
import NIOTLS
import PalanaAudit
import PalanaCore
import PalanaPolicy

/// One connection of an agent: the last handler of its channel, from the first byte to the last, inside and outside its tunnel.
///
/// It speaks HTTP/1.1; what happens to one request is in its ``Exchange``. Everything runs on the connection's event loop.
/// The extensions are one file for each part of the way: proxy requests, tunnels, requests, responses, relays, endings.
final class ClientConnection: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  enum Phase {
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
    /// The last answer was sent; what still comes is thrown away until the client closes.
    case draining
    case closed
  }

  let loop: LoopContext
  let source: AuditEvent.Source
  var agent: EgressAgent
  var context: ChannelHandlerContext?
  var phase = Phase.head
  var tunnel: Tunnel?
  var exchange: Exchange?
  var upstream: UpstreamConnection?
  var dial: UpstreamDial?

  /// Bytes that were not looked at yet.
  var inbound: ByteBuffer?
  var scanner = HeadScanner()
  var spareFields: [HeadField] = []
  /// Bytes for the client that are not written yet: heads and small bodies leave as one.
  var outbound: ByteBuffer?
  /// Something was written and not flushed.
  var needsFlush = false
  var deadline: NIODeadline
  /// Answers 407 so far.
  var challenges = 0
  private var isReadHeld = false
  private var isDriving = false
  /// Bytes in front of ``inbound`` that were looked at already and may still be held.
  private static let mostReadBytes = 16_384

  init(agent: EgressAgent, source: AuditEvent.Source, loop: LoopContext) {
    self.agent = agent
    self.source = source
    self.loop = loop
    deadline = loop.now + TimeAmount(loop.shared.limits.headTimeout)
  }

  var limits: EgressLimits { loop.shared.limits }

  // MARK: Channel

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

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

  func channelReadComplete(context: ChannelHandlerContext) { flushIfNeeded() }

  /// Backpressure: the channel asks for the next read here, and gets it only while its bytes have somewhere to go.
  func read(context: ChannelHandlerContext) {
    if wantsBytes { context.read() } else { isReadHeld = true }
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    if context.channel.isWritable { upstream?.resumeReading() }
    context.fireChannelWritabilityChanged()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case TLSUserEvent.handshakeCompleted = event { handshakeCompleted() }
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
      guard let exchange, exchange.wentUpstream, !exchange.body.isDone else { return isInboundBounded }
      return upstream?.isWritable ?? isInboundBounded
    case .relay: return upstream?.isWritable ?? false
    default: return isInboundBounded
    }
  }

  private var isInboundBounded: Bool { (inbound?.readableBytes ?? 0) < limits.headerBytes }

  /// Bytes of both directions that wait here.
  var bufferedBytes: Int {
    (inbound?.storageCapacity ?? 0) + (outbound?.readableBytes ?? 0) + (context?.channel.waitingBytes ?? 0)
      + (upstream?.bufferedBytes ?? 0)
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
        if tunnel == nil { handleProxyRequest(head) } else { handleInnerRequest(head) }
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
      case .deciding, .minting, .handshaking: return
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
      let storage = spareFields
      spareFields = []
      return try RequestHead(slice, limits: limits, reusing: storage)
    } catch {
      refuseMalformed(error)
      return nil
    }
  }

  // MARK: Deadlines and changes from outside

  func checkDeadline(_ now: NIODeadline) {
    guard deadline <= now else { return }
    switch phase {
    case .head where inbound != nil: refuseSlowHead()
    case .head, .draining: context?.close(promise: nil)
    case .hello, .minting, .handshaking: handshakeTimedOut()
    case .deciding, .exchange, .relay: streamTimedOut()
    case .closed: break
    }
  }

  func touch() { deadline = loop.now + TimeAmount(limits.streamTimeout) }

  /// The same agent in a new state. A request under way is judged again.
  func adopt(_ next: EgressAgent) {
    let changed = next !== agent
    agent = next
    if changed { judgeAgain() }
  }
}

extension Channel {
  /// Bytes that were written and that the system did not take yet.
  var waitingBytes: Int { (try? syncOptions?.getOption(.bufferedWritableBytes)) ?? 0 }
}

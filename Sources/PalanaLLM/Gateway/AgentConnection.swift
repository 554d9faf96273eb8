import Glibc
import NIOCore
import NIOHTTP1
import PalanaAudit
import PalanaCore

/// One connection of an agent: one request after the other.
final class AgentConnection: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private enum State {
    case idle
    case receiving(Call)
    case calling(Call)
    /// The answer is complete before the request was: what is left of it is passed over, and the connection ends.
    case passingOver
    case closed
  }

  private let loop: LLMLoop
  /// As it is now: what changes of an agent counts for the next request.
  var agent: LLMAgent
  let source: AuditEvent.Source
  private var context: ChannelHandlerContext?
  private var state = State.idle
  private var expires: NIODeadline
  private var isClosing = false
  /// Completed when the agent takes bytes again.
  private var writable: EventLoopPromise<Void>?

  init(loop: LLMLoop, agent: LLMAgent, source: AuditEvent.Source) {
    self.loop = loop
    self.agent = agent
    self.source = source
    expires = .now() + TimeAmount(loop.shared.limits.idleTimeout)
  }

  // MARK: Channel

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }
  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch (unwrapInboundIn(data), state) {
    case (.head(let head), .idle): begin(head)
    case (.body(let bytes), .receiving(let call)): receive(bytes, call)
    case (.end, .receiving(let call)):
      state = .calling(call)
      expires = .distantFuture
      call.start()
    case (.end, .passingOver): context.close(promise: nil)
    default: break
    }
  }

  private func begin(_ head: HTTPRequestHead) {
    let call = Call(connection: self, loop: loop, agent: agent, head: head)
    state = .receiving(call)
    expires = .now() + TimeAmount(loop.shared.limits.requestTimeout)
    isClosing = isClosing || !head.isKeepAlive
    if let refusal = call.prepare() { return call.refuse(refusal) }
    if head.headers[canonicalForm: "expect"].contains(where: { $0.lowercased() == "100-continue" }) {
      write(.head(HTTPResponseHead(version: head.version, status: .continue)))
      context?.flush()
    }
  }

  private func receive(_ bytes: ByteBuffer, _ call: Call) {
    if let refusal = call.receive(bytes) { call.refuse(refusal) }
  }

  func channelInactive(context: ChannelHandlerContext) {
    ended(.agentLeft)
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    if context.channel.isWritable { letGo() }
    context.fireChannelWritabilityChanged()
  }

  private func letGo() {
    let waiting = writable
    writable = nil
    waiting?.succeed()
  }

  // MARK: What calls write

  func write(head: HTTPResponseHead) {
    var head = head
    if isClosing || loop.isStopping {
      isClosing = true
      head.headers.replaceOrAdd(name: "connection", value: "close")
    }
    write(.head(head))
  }

  func write(_ bytes: ByteBuffer) { write(.body(.byteBuffer(bytes))) }
  func flush() { context?.flush() }

  private func write(_ part: HTTPServerResponsePart) { context?.write(wrapOutboundOut(part), promise: nil) }

  /// Done as soon as the agent takes more.
  func ready() -> EventLoopFuture<Void> {
    guard let context, !context.channel.isWritable else { return loop.eventLoop.makeSucceededVoidFuture() }
    if let writable { return writable.futureResult }
    let promise = context.eventLoop.makePromise(of: Void.self)
    writable = promise
    return promise.futureResult
  }

  /// The answer is complete.
  func finish() {
    guard let context else { return }
    // Of a request that was not read to its end nobody knows where the next one begins.
    if case .receiving = state { isClosing = true }
    let isWhole = if case .calling = state { true } else { false }
    let closes = isClosing || loop.isStopping
    let promise = closes && isWhole ? context.eventLoop.makePromise(of: Void.self) : nil
    promise?.futureResult.assumeIsolated().whenComplete { [weak self] _ in self?.context?.close(promise: nil) }
    state = isWhole ? .idle : .passingOver
    expires = .now() + TimeAmount(isWhole ? loop.shared.limits.idleTimeout : .seconds(5))
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: promise)
  }

  // MARK: Ends

  /// The answer has begun and does not come to its end.
  ///
  /// - Parameter gently: the agent was told so, in the answer.
  func breakOff(gently: Bool) {
    isClosing = true
    if gently { finish() } else { cut(.gatewayStopping) }
  }

  /// Closes at once; what is queued is not delivered.
  func cut(_ end: Call.End) {
    ended(end)
    guard let context else { return }
    _ = (context.channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0))
    context.close(promise: nil)
  }

  /// Whether an answer is awaited or comes.
  var isCalling: Bool { if case .calling = state { true } else { false } }

  func closeIfIdle() { if case .idle = state { context?.close(promise: nil) } }

  private func ended(_ end: Call.End) {
    let before = state
    state = .closed
    switch before {
    case .receiving(let call), .calling(let call): call.end(end)
    case .idle, .passingOver, .closed: break
    }
    letGo()
    loop.remove(self)
  }

  func look(_ now: NIODeadline) {
    if case .calling(let call) = state { return call.look(now) }
    guard now >= expires else { return }
    if case .receiving(let call) = state {
      isClosing = true
      return call.refuse(LLMRefusal(.requestTimeout, .malformedRequest, "the request did not come to its end in time"))
    }
    context?.close(promise: nil)
  }
}

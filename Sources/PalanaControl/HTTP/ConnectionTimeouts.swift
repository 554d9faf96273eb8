import NIOCore
import NIOHTTP1

/// Closes connections that keep a place without using it: no head within a time, a body that does not go on, a request that
/// does not end after it was answered.
///
/// Stands right behind the HTTP decoder, so single bytes of a head do not count as progress. Bodies of `exec` and `files` may
/// pause as long as they like once they have begun: a shell waits for its person.
final class ConnectionTimeouts: ChannelDuplexHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias InboundOut = HTTPServerRequestPart
  typealias OutboundIn = HTTPServerResponsePart
  typealias OutboundOut = HTTPServerResponsePart

  private enum State {
    case waitingForHead
    case readingBody(mayPause: Bool)
    /// The request was read, or its answer is on its way: the server's turn.
    case working
    /// Answered, and the client still sends.
    case draining
    case closed
  }

  private let head: TimeAmount
  private let body: TimeAmount
  private var state = State.waitingForHead
  private var isAnswered = false
  private var timer: Scheduled<Void>?

  init(head: TimeAmount, body: TimeAmount) {
    self.head = head
    self.body = body
  }

  func handlerAdded(context: ChannelHandlerContext) {
    if context.channel.isActive { arm(head, context) }
  }

  func channelActive(context: ChannelHandlerContext) {
    arm(head, context)
    context.fireChannelActive()
  }

  func channelInactive(context: ChannelHandlerContext) {
    state = .closed
    timer?.cancel()
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    timer?.cancel()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      isAnswered = false
      state = .readingBody(mayPause: Self.mayPause(head))
      arm(body, context)
    case .body:
      switch state {
      case .readingBody(mayPause: true): timer?.cancel()
      case .readingBody(mayPause: false): arm(body, context)
      case .waitingForHead, .working, .draining, .closed: break
      }
    case .end:
      if isAnswered {
        state = .waitingForHead
        arm(head, context)
      } else {
        state = .working
        timer?.cancel()
      }
    }
    context.fireChannelRead(data)
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    if case .end = unwrapOutboundIn(data) {
      isAnswered = true
      switch state {
      case .readingBody:
        state = .draining
        arm(body, context)
      case .working, .waitingForHead:
        state = .waitingForHead
        arm(head, context)
      case .draining, .closed: break
      }
    }
    context.write(data, promise: promise)
  }

  private static func mayPause(_ head: HTTPRequestHead) -> Bool {
    let path = head.uri.prefix { $0 != "?" }
    return path.hasSuffix("/exec") || path.hasSuffix("/files")
  }

  private func arm(_ time: TimeAmount, _ context: ChannelHandlerContext) {
    timer?.cancel()
    let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
    timer = context.eventLoop.scheduleTask(in: time) { bound.value.close(promise: nil) }
  }
}

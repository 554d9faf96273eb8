import NIOCore
import NIOHTTP1

/// Closes connections that keep a place without using it: no head within a time, a body that does not go on, a request
/// that does not end after it was answered.
///
/// Stands right behind the HTTP decoder, so single bytes of a head do not count as progress. Bodies of `exec` and
/// `files` may pause as long as they like once they have begun: a shell waits for its person.
final class ConnectionTimeouts: ChannelDuplexHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias InboundOut = HTTPServerRequestPart
  typealias OutboundIn = HTTPServerResponsePart
  typealias OutboundOut = HTTPServerResponsePart

  private let head: TimeAmount
  private let body: TimeAmount
  /// Whether the body of the last request is still being sent.
  private var isReading = false
  /// Whether that body may pause.
  private var mayPause = false
  /// Requests whose answer has not ended. More than one when the client does not wait for answers.
  private var unanswered = 0
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
    timer?.cancel()
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    timer?.cancel()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      isReading = true
      mayPause = Self.mayPause(head)
      unanswered += 1
      arm(body, context)
    case .body:
      // What comes after the answer gets no more time by coming slowly.
      guard unanswered > 0 else { break }
      if mayPause { timer?.cancel() } else { arm(body, context) }
    case .end:
      isReading = false
      if unanswered > 0 { timer?.cancel() } else { arm(head, context) }
    }
    context.fireChannelRead(data)
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    if case .end = unwrapOutboundIn(data) {
      unanswered -= 1
      if unanswered <= 0 { arm(isReading ? body : head, context) }
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

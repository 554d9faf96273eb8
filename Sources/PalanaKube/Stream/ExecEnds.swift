import NIOCore

/// Tells of the end of what the server sends one turn of the event loop later.
///
/// A program that ends at once sends everything, and the end, in one go with the switch; what follows the switch is handed on only in the
/// next turn, and would come after the end.
final class LateEnd: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private var context: ChannelHandlerContext?

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }
  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard case .inputClosed? = event as? ChannelEvent else { return context.fireUserInboundEventTriggered(event) }
    let context = NIOLoopBound(context, eventLoop: context.eventLoop)
    context.eventLoop.execute { context.value.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
  }

  /// Closes the socket below everything else.
  func close(_ promise: EventLoopPromise<Void>?) {
    guard let context, context.channel.isActive else {
      promise?.succeed()
      return
    }
    context.close(promise: promise)
  }
}

/// Closes without waiting for the server's farewell.
///
/// TLS waits for it, and where the server's end came before, in another order, or never, it waits for five seconds or for good. Nothing is
/// expected any more when a program's connection is closed: ours is said (RFC 8446 §6.1), and that is all.
final class PromptClose: ChannelOutboundHandler {
  typealias OutboundIn = NIOAny
  typealias OutboundOut = NIOAny

  private let socket: LateEnd

  init(_ socket: LateEnd) { self.socket = socket }

  func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
    guard case .all = mode else { return context.close(mode: mode, promise: promise) }
    context.close(mode: .all, promise: nil)
    socket.close(promise)
  }
}

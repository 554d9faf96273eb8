import NIOCore
import NIOHTTP1

/// What the server says instead of switching to a websocket.
final class RefusedUpgrade: Sendable {
  private let answer: AsyncStream<KubeError>
  private let says: AsyncStream<KubeError>.Continuation

  init() { (answer, says) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(1)) }

  func said(_ error: KubeError) {
    says.yield(error)
    says.finish()
  }

  func error() async -> KubeError {
    for await error in answer { return error }
    return KubeError(.unreachable, "the connection with the API server broke off")
  }
}

/// Reads the answer, bounded, and closes.
final class RefusalReader: ChannelInboundHandler {
  typealias InboundIn = HTTPClientResponsePart

  private let refusal: RefusedUpgrade
  private var status = 0
  private var retryAfter: String?
  private var body: [UInt8] = []
  private static let most = 65_536

  init(_ refusal: RefusedUpgrade) { self.refusal = refusal }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      status = Int(head.status.code)
      retryAfter = head.headers.first(name: "retry-after")
    case .body(let bytes): if body.count + bytes.readableBytes <= Self.most { body += bytes.readableBytesView }
    case .end:
      // A success without the switch is none.
      refusal.said(
        (200..<300).contains(status)
          ? KubeError(.malformed, status: status, "the API server did not switch to a websocket")
          : KubeError(status: status, body: body, retryAfter: retryAfter))
      context.close(promise: nil)
    }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case .inputClosed? = event as? ChannelEvent { context.close(promise: nil) }
    context.fireUserInboundEventTriggered(event)
  }

  func channelInactive(context: ChannelHandlerContext) {
    refusal.said(KubeError(.unreachable, "the connection with the API server broke off"))
    context.fireChannelInactive()
  }
}

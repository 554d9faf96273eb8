import NIOCore
import NIOHTTP1
import NIOSSL
import NIOTLS
import PalanaCore
import PalanaPolicy
import PalanaSecrets

/// One request to a token endpoint and its whole answer, on a connection of its own.
final class TokenExchange: ChannelInboundHandler {
  typealias InboundIn = HTTPClientResponsePart
  typealias OutboundOut = HTTPClientRequestPart

  enum Failure: Error {
    case notConnected
    /// The certificate does not chain to a root, or is not for the name.
    case untrusted
    /// Malformed, too long, or closed before its end.
    case broken
    case late
  }

  private let request: TokenRequest
  private let limit: Int
  private let deadline: NIODeadline
  private var promise: EventLoopPromise<TokenAnswer>?
  private var status = 0
  private var body: [UInt8] = []
  private var timeout: Scheduled<Void>?

  init(_ request: TokenRequest, limit: Int, deadline: NIODeadline, promise: EventLoopPromise<TokenAnswer>) {
    self.request = request
    self.limit = limit
    self.deadline = deadline
    self.promise = promise
  }

  func handlerAdded(context: ChannelHandlerContext) {
    let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
    timeout = context.eventLoop.scheduleTask(deadline: deadline) {
      let (handler, context) = bound.value
      handler.end(context, .failure(.late))
    }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case TLSUserEvent.handshakeCompleted = event { verified(context) }
    context.fireUserInboundEventTriggered(event)
  }

  /// The chain is trusted; nothing is said before it is clear whose certificate it is.
  private func verified(_ context: ChannelHandlerContext) {
    guard let leaf = try? context.pipeline.syncOperations.nioSSL_peerCertificate(),
      PeerName.isProven(request.endpoint.authority.host, by: leaf)
    else { return end(context, .failure(.untrusted)) }
    let contents = request.body.reveal()
    var headers = HTTPHeaders()
    headers.add(name: "host", value: request.endpoint.authority.hostText(for: .https))
    headers.add(name: "user-agent", value: "palana/\(PalanaVersion.current)")
    headers.add(name: "accept", value: request.accept)
    headers.add(name: "accept-encoding", value: "identity")
    if let authorization = request.authorization { headers.add(name: "authorization", value: authorization.reveal()) }
    headers.add(name: "content-type", value: request.contentType)
    headers.add(name: "content-length", value: "\(contents.utf8.count)")
    headers.add(name: "connection", value: "close")
    let head = HTTPRequestHead(version: .http1_1, method: .POST, uri: request.endpoint.target, headers: headers)
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: contents)))), promise: nil)
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head): status = Int(head.status.code)
    case .body(let part):
      guard body.count + part.readableBytes <= limit else { return end(context, .failure(.broken)) }
      body.append(contentsOf: part.readableBytesView)
    case .end: end(context, .success(TokenAnswer(status: status, body: Redacted(body))))
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if case NIOSSLError.uncleanShutdown = error { return }
    end(context, .failure(error is NIOSSLError || error is NIOSSLExtraError ? .untrusted : .broken))
  }

  func channelInactive(context: ChannelHandlerContext) {
    end(context, .failure(.broken))
    context.fireChannelInactive()
  }

  private func end(_ context: ChannelHandlerContext, _ result: Result<TokenAnswer, Failure>) {
    guard let promise else { return }
    self.promise = nil
    timeout?.cancel()
    promise.completeWith(result.mapError { $0 as any Error })
    context.close(promise: nil)
  }
}

import NIOCore
import PalanaPolicy

/// Requests of HTTP/1.1 on this connection, one after the other.
extension ClientConnection {
  func handleInnerRequest(_ head: RequestHead) {
    let exchange = flow.makeExchange()
    exchange.take(head)
    phase = .exchange
    body = BodyDecoder(head.framing, overheadLimit: limits.headerBytes)
    flow.innerRequest(head, exchange)
  }

  /// Gives on what has arrived of the request body.
  func feedBody() {
    guard let exchange = flow.exchange, flow.takesContents else { return }
    // Without bytes too: the end of a body may be all that is left to say.
    var bytes = inbound ?? ByteBuffer()
    inbound = nil
    do {
      loop: while true {
        switch try body.next(&bytes) {
        case .contents(let contents):
          flow.requestContents(contents)
          // It may have been refused for what it holds, or wait for a decision about that.
          guard flow.exchange === exchange, flow.takesContents else {
            if flow.exchange === exchange, bytes.readableBytes > 0 { inbound = bytes }
            return
          }
        case .needsMore: break loop
        case .end:
          inbound = bytes.readableBytes == 0 ? nil : bytes
          flow.requestEnded(trailers: nil)
          return flow.requestReadComplete()
        }
      }
    } catch {
      // Half of the body is sent: the upstream connection cannot be used on, nor can this one.
      return flow.refuse(exchange, Refusal(error))
    }
    inbound = bytes.readableBytes == 0 ? nil : bytes
    flow.requestReadComplete()
  }

  /// A websocket's bytes.
  func relayToUpstream() {
    guard let bytes = inbound, flow.takesContents else { return }
    inbound = nil
    flow.requestContents(bytes)
    flow.requestReadComplete()
  }

  /// The request is over; the next one may come.
  func finish(keepsAlive: Bool) {
    flow.exchange = nil
    guard phase != .closed else { return }
    if keepsAlive, !loop.isStopping {
      phase = .head
      deadline = loop.now + TimeAmount(inbound == nil ? limits.idleTimeout : limits.headTimeout)
    } else {
      drain()
    }
  }

  /// A head that could not be read.
  func refuseMalformed(_ error: HeadError) { refuseHead(Refusal(error)) }

  func refuseSlowHead() { refuseHead(Refusal(.requestTimeout, "the request head did not arrive in time")) }

  private func refuseHead(_ refusal: Refusal) {
    let exchange = flow.makeExchange()
    exchange.scheme = tunnel == nil ? nil : .https
    exchange.authority = tunnel?.authority ?? destination
    exchange.keepsAlive = false
    inbound = nil
    flow.refuse(exchange, refusal)
  }
}

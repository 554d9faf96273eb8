import NIOCore
import PalanaPolicy

/// Requests to the proxy itself: CONNECT, and plain HTTP in absolute form.
extension ClientConnection {
  func handleProxyRequest(_ head: RequestHead) {
    let exchange = flow.makeExchange()
    exchange.take(head)
    phase = .exchange
    touch()
    do {
      if head.fields.equal(head.method, "connect") {
        phase = .deciding
        try flow.connect(head, exchange) { [self] in connectDecided($0) }
      } else {
        body = BodyDecoder(head.framing, overheadLimit: limits.headerBytes)
        try flow.plainRequest(head, exchange)
      }
    } catch {
      flow.refuse(exchange, error)
    }
  }

  private func connectDecided(_ exchange: Exchange) {
    guard !loop.audit.isDown else {
      return flow.refuse(exchange, Refusal(.auditUnavailable, "requests cannot be written down at this moment"))
    }
    guard let authority = exchange.authority else { return }
    flow.tunnel = Tunnel(authority: authority, opening: exchange)
    loop.counts.tunnels += 1
    phase = .hello
    deadline = loop.now + TimeAmount(limits.handshakeTimeout)
    writeStatic("HTTP/1.1 200 Connection established\r\n\r\n")
    drive()
  }
}

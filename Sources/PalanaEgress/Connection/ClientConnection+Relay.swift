import NIOCore
import PalanaAudit
import PalanaPolicy

/// A websocket after its 101: bytes in both directions with backpressure, counted, written down at the end, killable.
extension ClientConnection {
  func switchProtocols(_ head: ResponseHead, _ exchange: Exchange, _ upstream: UpstreamConnection) {
    guard exchange.isUpgrade,
      let field = head.fields.fields.first(where: { $0.known == .upgrade }), head.fields.equal(field.value, "websocket")
    else {
      self.upstream?.abort()
      return upstreamFailed(UpstreamFailure(.upstreamProtocolError, "the upstream switched protocols without being asked"))
    }
    exchange.status = 101
    exchange.responseStarted = true
    exchange.proto = "websocket"
    let head = exchange.scrubber?.scrub(head) ?? head
    // Frames are not looked at: a masked frame cannot hold a readable value by chance.
    exchange.scrubber = nil
    append { ClientHead.write(head, framing: .some(.none), closes: false, isUpgrade: true, into: &$0) }
    writeOutbound()
    flushIfNeeded()
    upstream.becomeRaw()
    phase = .relay
    drive()
  }

  func relayToUpstream() {
    guard let bytes = inbound, let exchange, let upstream else { return }
    touch()
    inbound = nil
    exchange.bytesSent += Int64(bytes.readableBytes)
    upstream.write(bytes)
    upstream.flush()
  }

  func relayFromUpstream(_ bytes: ByteBuffer) {
    guard phase == .relay, let exchange else { return }
    touch()
    exchange.bytesReceived += Int64(bytes.readableBytes)
    context?.write(wrapOutboundOut(bytes), promise: nil)
    needsFlush = true
  }

  func relayUpstreamClosed() {
    guard phase == .relay, let exchange else { return }
    upstream = nil
    record(exchange, .allow, nil)
    flushIfNeeded()
    finish(exchange, keepsAlive: false)
  }
}

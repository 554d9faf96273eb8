import NIOCore
import NIOHPACK
import NIOHTTP2

/// A connection to an upstream that chose HTTP/2: many requests of one agent at once.
extension UpstreamConnection: HTTP2Owner {
  /// Whether another stream may begin on it.
  var hasRoom: Bool {
    guard let multiplexed, !multiplexed.isGoingAway, isActive else { return false }
    return multiplexed.streams.count < min(multiplexed.peerStreams, multiplexed.limits.streams) && nextStream < 1 << 30
  }

  /// Whether its streams can be websockets (RFC 8441 §3).
  var takesWebsockets: Bool { multiplexed?.peerTakesExtendedConnect ?? false }

  /// Whether it carries nothing at this moment.
  var isUnused: Bool { multiplexed?.streams.isEmpty ?? true }

  func startHTTP2(_ context: ChannelHandlerContext) {
    let connection = HTTP2Connection(owner: self, limits: loop.shared.limits.http2)
    do {
      try context.pipeline.syncOperations.addHandlers(
        HTTP2Bounds.handlers(.client, limits: loop.shared.limits, connection: connection), position: .before(self))
      multiplexed = connection
    } catch {
      context.close(promise: nil)
    }
  }

  /// - Returns: nil when none may begin any more.
  func openStream() -> HTTP2UpstreamStream? {
    guard hasRoom, let multiplexed else { return nil }
    let stream = HTTP2UpstreamStream(id: HTTP2StreamID(nextStream), connection: multiplexed, key: key, loop: loop)
    nextStream += 2
    multiplexed.add(stream)
    expires = .distantFuture
    return stream
  }

  /// Upstreams begin no streams.
  func accept(_ headers: HPACKHeaders, _ id: HTTP2StreamID, endsStream: Bool, on connection: HTTP2Connection) { abort() }

  func streamClosed(_ connection: HTTP2Connection) {
    guard connection.streams.isEmpty else { return }
    if connection.isGoingAway { return closeGracefully() }
    expires = loop.now + TimeAmount(loop.shared.limits.upstreamIdle)
  }

  /// Only now it is known how many streams it takes.
  func settingsChanged(_ connection: HTTP2Connection) { opened() }

  func goesAway(_ connection: HTTP2Connection) {
    loop.pool.remove(self)
    if connection.streams.isEmpty { closeGracefully() }
  }

  func readComplete(_ connection: HTTP2Connection) {}

  func endStreams() {
    guard let multiplexed else { return }
    self.multiplexed = nil
    loop.pool.remove(self)
    multiplexed.end { ($0 as? HTTP2UpstreamStream)?.connectionEnded() }
  }
}

import NIOCore
import PalanaAudit
import PalanaPolicy

/// The response, from the upstream to the agent, and the bytes of a websocket in the same direction.
extension RequestFlow {
  /// Whether the agent takes bytes; if not, nothing more is read from the upstream.
  var canTakeResponse: Bool { client?.isWritable ?? true }

  /// 100 Continue, 103 Early Hints.
  func upstreamInterim(_ head: ResponseHead) {
    guard let exchange, !exchange.isRecorded, !exchange.responseStarted else { return }
    exchange.retry = nil
    client?.sendInterim(exchange.scrubber?.scrub(head) ?? head)
  }

  func upstreamHead(_ head: ResponseHead) {
    guard let exchange, !exchange.isRecorded, let upstream else { return }
    client?.touch()
    exchange.retry = nil
    if head.status == 101 { return switchProtocols(head, exchange, upstream) }
    // Only this gateway may ask for proxy credentials: a client would send its proxy password to whoever asks.
    guard head.status != 407 else {
      self.upstream?.abort()
      return upstreamFailed(UpstreamFailure(.upstreamProtocolError, "the upstream asked for proxy credentials"))
    }
    let ready: ResponseHead
    do {
      ready = try scrub(head, exchange)
    } catch {
      refuse(exchange, error)
      client?.proceed()
      return
    }
    exchange.status = head.status
    exchange.responseStarted = true
    client?.sendHead(ready, of: exchange)
  }

  func upstreamContents(_ contents: ByteBuffer) {
    guard let exchange, !exchange.isRecorded else { return }
    client?.touch()
    deliver(contents, exchange)
  }

  private func deliver(_ contents: ByteBuffer, _ exchange: Exchange) {
    guard exchange.isRelay || !exchange.responseFilters.isEmpty else { return give(contents, exchange) }
    do {
      let ready =
        exchange.isRelay ? try exchange.relayToClient.pass(contents) : try exchange.responseFilters.pass(contents)
      if let ready { give(ready, exchange) }
    } catch {
      refuse(exchange, error)
    }
  }

  private func give(_ contents: ByteBuffer, _ exchange: Exchange) {
    exchange.bytesReceived += Int64(contents.readableBytes)
    client?.sendContents(contents)
  }

  func upstreamReadComplete() { client?.flush() }

  /// The response is complete. Its event is written down before its last bytes leave.
  func upstreamEnded(_ connection: any UpstreamSide, trailers: HeadFields?) {
    guard let exchange, !exchange.isRecorded else { return }
    guard finishFilters(exchange) else { return }
    client?.sendEnd(trailers: trailers.map { exchange.scrubber?.scrub($0) ?? $0 })
    guard record(exchange, .allow, nil) else {
      // Without its event the response stays incomplete.
      client?.abandon()
      return
    }
    if !connection.isUsable {
      upstream = nil
    } else if !exchange.isRequestWhole {
      // An early response: what still comes of the body has nowhere to go.
      connection.closeGracefully()
      upstream = nil
    }
    client?.flush()
    client?.finish(exchange)
  }

  /// - Returns: whether the request is still under way.
  private func finishFilters(_ exchange: Exchange) -> Bool {
    guard !exchange.responseFilters.isEmpty, !exchange.isRecorded else { return !exchange.isRecorded }
    do {
      if let rest = try exchange.responseFilters.finish() { give(rest, exchange) }
      return true
    } catch {
      refuse(exchange, error)
      return false
    }
  }

  // MARK: Websockets

  private func switchProtocols(_ head: ResponseHead, _ exchange: Exchange, _ upstream: any UpstreamSide) {
    guard exchange.isUpgrade,
      let field = head.fields.fields.first(where: { $0.known == .upgrade }), head.fields.equal(field.value, "websocket")
    else {
      self.upstream?.abort()
      return upstreamFailed(UpstreamFailure(.upstreamProtocolError, "the upstream switched protocols without being asked"))
    }
    if let accept = exchange.websocketAccept {
      let field = head.fields.fields.first { head.fields.equal($0.name, "sec-websocket-accept") }
      guard let field, head.fields.text(field.value) == accept else {
        self.upstream?.abort()
        return upstreamFailed(UpstreamFailure(.upstreamProtocolError, "the upstream's websocket handshake is wrong"))
      }
    }
    if exchange.scrubber != nil || exchange.injection.readsFrames {
      guard !head.fields.fields.contains(where: { $0.known == .websocketExtensions }) else {
        self.upstream?.abort()
        return upstreamFailed(
          UpstreamFailure(.upstreamProtocolError, "the upstream uses a websocket extension that nobody asked for"))
      }
      scrubFrames(of: exchange)
      if exchange.injection.readsFrames { injectIntoFrames(of: exchange) }
    }
    exchange.status = 101
    exchange.responseStarted = true
    exchange.proto = "websocket"
    let head = exchange.scrubber?.scrub(head) ?? head
    exchange.isRelay = true
    exchange.isRequestWhole = false
    client?.sendSwitch(head, of: exchange)
    client?.flush()
    upstream.becomeRaw()
    client?.proceed()
  }

  /// The upstream ended the websocket.
  func relayUpstreamClosed() {
    guard let exchange, exchange.isRelay else { return }
    upstream = nil
    record(exchange, .allow, nil)
    client?.flush()
    client?.finish(exchange)
  }
}

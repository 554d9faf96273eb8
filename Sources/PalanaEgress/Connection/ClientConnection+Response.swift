import NIOCore
import PalanaAudit
import PalanaPolicy

/// The response, from the upstream to the agent.
extension ClientConnection {
  /// Small pieces are put together, larger ones pass without a copy.
  private static let copyLimit = 8192

  /// Whether the agent takes bytes; if not, nothing more is read from the upstream.
  var canTakeResponse: Bool { context?.channel.isWritable ?? true }

  /// 100 Continue, 103 Early Hints.
  func upstreamInterim(_ head: ResponseHead) {
    guard let exchange, !exchange.isRecorded, exchange.minorVersion == 1, !exchange.responseStarted else { return }
    exchange.retry = nil
    let head = exchange.scrubber?.scrub(head) ?? head
    append { ClientHead.write(head, framing: .some(.none), closes: false, isUpgrade: false, into: &$0) }
  }

  func upstreamHead(_ head: ResponseHead) {
    guard let exchange, !exchange.isRecorded, let upstream else { return }
    touch()
    exchange.retry = nil
    if head.status == 101 { return switchProtocols(head, exchange, upstream) }
    // Only this gateway may ask for proxy credentials: a client would send its proxy password to whoever asks.
    guard head.status != 407 else {
      self.upstream?.abort()
      return upstreamFailed(UpstreamFailure(.upstreamProtocolError, "the upstream asked for proxy credentials"))
    }
    exchange.status = head.status
    exchange.responseStarted = true
    var framing: MessageFraming? = head.framing
    switch head.framing {
    case .chunked, .untilClose:
      exchange.isChunkedToClient = exchange.minorVersion == 1
      framing = exchange.isChunkedToClient ? .chunked : .untilClose
    // A response to HEAD and a 304 state the length of a body that does not come.
    case .none: framing = exchange.isHeadRequest || head.status == 304 ? nil : .some(.none)
    case .length: break
    }
    // A body that the upstream no longer waits for would be read as the next request.
    if !exchange.body.isDone, !head.keepsAlive { exchange.keepsAlive = false }
    if exchange.minorVersion == 0 { exchange.keepsAlive = false }
    let head = exchange.scrubber?.scrub(head) ?? head
    append {
      ClientHead.write(
        head, framing: framing, closes: !exchange.keepsAlive, isUpgrade: false, into: &$0)
    }
  }

  func upstreamContents(_ contents: ByteBuffer) {
    guard let exchange, !exchange.isRecorded else { return }
    touch()
    if exchange.scrubber == nil { return deliver(contents, exchange) }
    if let ready = exchange.scrubber?.scrub(contents) { deliver(ready, exchange) }
  }

  private func deliver(_ contents: ByteBuffer, _ exchange: Exchange) {
    exchange.bytesReceived += Int64(contents.readableBytes)
    if exchange.isChunkedToClient {
      append(contents.readableBytes + 16) { ChunkWriter.write(contents, into: &$0) }
    } else if contents.readableBytes <= Self.copyLimit {
      append(contents.readableBytes) { $0.writeImmutableBuffer(contents) }
    } else {
      writeOutbound()
      context?.write(wrapOutboundOut(contents), promise: nil)
      needsFlush = true
    }
  }

  func upstreamReadComplete() {
    writeOutbound()
    flushIfNeeded()
  }

  /// The response is complete. Its event is written down before its last bytes leave.
  func upstreamEnded(_ connection: UpstreamConnection) {
    guard let exchange, !exchange.isRecorded else { return }
    if let rest = exchange.scrubber?.finish() { deliver(rest, exchange) }
    if exchange.isChunkedToClient { append { ChunkWriter.writeEnd(into: &$0) } }
    guard record(exchange, .allow, nil) else {
      // Without its event the response stays incomplete.
      return abandon()
    }
    if !connection.isUsable {
      upstream = nil
    } else if !exchange.body.isDone {
      // An early response: what still comes of the body has nowhere to go.
      connection.closeGracefully()
      upstream = nil
    }
    writeOutbound()
    flushIfNeeded()
    finish(exchange, keepsAlive: exchange.keepsAlive && exchange.body.isDone)
    drive()
  }

  // MARK: Writing

  func append(_ capacity: Int = 512, _ body: (inout ByteBuffer) -> Void) {
    guard var buffer = outbound ?? context?.channel.allocator.buffer(capacity: max(512, capacity)) else { return }
    outbound = nil
    body(&buffer)
    outbound = buffer
  }

  func writeOutbound() {
    guard let buffer = outbound else { return }
    outbound = nil
    context?.write(wrapOutboundOut(buffer), promise: nil)
    needsFlush = true
  }

  func flushIfNeeded() {
    guard needsFlush else { return }
    needsFlush = false
    context?.flush()
  }

  func writeStatic(_ text: StaticString) {
    append { $0.writeStaticString(text) }
    writeOutbound()
    flushIfNeeded()
  }
}

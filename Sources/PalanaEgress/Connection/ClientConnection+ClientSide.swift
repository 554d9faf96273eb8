import NIOCore
import PalanaPolicy

/// What the way of a request says to its agent, in HTTP/1.1. Heads and small bodies leave as one write.
extension ClientConnection: ClientSide {
  /// Small pieces are put together, larger ones pass without a copy.
  private static let copyLimit = 8192
  private static let mostChallenges = 4

  var isWritable: Bool { context?.channel.isWritable ?? true }

  func proceed() {
    if isDriving {
      if phase == .exchange { feedBody() }
    } else {
      drive()
    }
  }

  func readOn() {
    if phase == .relay { relayToUpstream() }
    updateRead()
  }

  func hold() {
    if phase != .closed { phase = .deciding }
  }

  func sendContinue() { writeStatic("HTTP/1.1 100 Continue\r\n\r\n") }

  func sendInterim(_ head: ResponseHead) {
    guard flow.exchange?.minorVersion == 1 else { return }
    append { ClientHead.write(head, framing: .some(.none), closes: false, isUpgrade: false, into: &$0) }
  }

  func sendHead(_ head: ResponseHead, of exchange: Exchange) {
    var framing: MessageFraming? = head.framing
    isChunked = false
    switch head.framing {
    case .length where !exchange.isResponseResized: break
    case .chunked, .untilClose, .length:
      isChunked = exchange.minorVersion == 1
      framing = isChunked ? .chunked : .untilClose
    // A response to HEAD and a 304 state the length of a body that does not come.
    case .none: framing = exchange.isHeadRequest || head.status == 304 ? nil : .some(.none)
    }
    // A body that the upstream no longer waits for would be read as the next request.
    if !exchange.isRequestWhole, !head.keepsAlive { exchange.keepsAlive = false }
    if exchange.minorVersion == 0 || loop.isStopping { exchange.keepsAlive = false }
    append {
      ClientHead.write(head, framing: framing, closes: !exchange.keepsAlive, isUpgrade: false, into: &$0)
    }
  }

  func sendSwitch(_ head: ResponseHead, of exchange: Exchange) {
    isChunked = false
    append { ClientHead.write(head, framing: .some(.none), closes: false, isUpgrade: true, into: &$0) }
    phase = .relay
  }

  func sendContents(_ contents: ByteBuffer) {
    if isChunked {
      append(contents.readableBytes + 16) { ChunkWriter.write(contents, into: &$0) }
    } else if contents.readableBytes <= Self.copyLimit {
      append(contents.readableBytes) { $0.writeImmutableBuffer(contents) }
    } else {
      writeOutbound()
      context?.write(wrapOutboundOut(contents), promise: nil)
      needsFlush = true
    }
  }

  /// Trailers end here.
  func sendEnd(trailers: HeadFields?) {
    if isChunked { append { ChunkWriter.writeEnd(into: &$0) } }
  }

  func flush() {
    writeOutbound()
    guard needsFlush else { return }
    needsFlush = false
    context?.flush()
  }

  func finish(_ exchange: Exchange) {
    finish(keepsAlive: exchange.keepsAlive && exchange.isRequestWhole && !exchange.isRelay)
    drive()
  }

  func sendRefusal(_ refusal: Refusal, of exchange: Exchange) {
    guard phase != .closed else { return }
    if exchange.isRedirected { return sendHandshakeRefusal() }
    if refusal.reason == .proxyAuthenticationRequired { challenges += 1 }
    // A body that nobody reads would be taken for the next request; a client that guesses passwords has to come again.
    let isWhole = exchange.keepsAlive && !exchange.hasBody && !exchange.wentUpstream
    let keepsAlive = isWhole && challenges < Self.mostChallenges && !refusal.closes
    append { DenialAnswer.write(refusal, exchange: exchange, closes: !keepsAlive, into: &$0) }
    flush()
    finish(keepsAlive: keepsAlive)
  }

  func abandon() {
    end(.clientAborted)
    if let context { RawClose.now(context) }
  }

  /// Cuts this connection and everything behind it at once, whatever it is doing.
  func cut(_ reason: EndReason) {
    guard phase != .closed else { return }
    end(reason)
    if let context { RawClose.now(context) }
  }

  // MARK: Writing

  func append(_ capacity: Int = 512, _ body: (inout ByteBuffer) -> Void) {
    guard var buffer = outbound ?? context?.channel.allocator.buffer(capacity: max(512, capacity)) else { return }
    outbound = nil
    body(&buffer)
    outbound = buffer
  }

  private func writeOutbound() {
    guard let buffer = outbound else { return }
    outbound = nil
    context?.write(wrapOutboundOut(buffer), promise: nil)
    needsFlush = true
  }

  func writeStatic(_ text: StaticString) {
    append { $0.writeStaticString(text) }
    flush()
  }
}

import NIOCore
import PalanaPolicy

/// Getting a connection to the upstream, and sending the request on it.
extension ClientConnection {
  /// The request is allowed and has its credentials.
  func acquire(_ exchange: Exchange) {
    guard !loop.audit.isDown else {
      return refuse(exchange, Refusal(.auditUnavailable, "requests cannot be written down at this moment"))
    }
    guard let authority = exchange.authority, let scheme = exchange.scheme else { return }
    // The connection of the last request, nearly always.
    if let upstream, upstream.isUsable, upstream.key.authority == authority, upstream.key.scheme == scheme {
      return send(exchange, on: upstream)
    }
    upstream?.release()
    upstream = nil
    let key = UpstreamKey(agent: agent.id, authority: authority, scheme: scheme)
    while let idle = loop.pool.take(key) {
      if idle.isUsable { return send(exchange, on: idle) }
      idle.abort()
    }
    open(exchange, key)
  }

  private func open(_ exchange: Exchange, _ key: UpstreamKey) {
    let dial = UpstreamDial(key: key, loop: loop) { [weak self] result in
      guard let self, self.exchange === exchange, !exchange.isRecorded else { return }
      self.dial = nil
      switch result {
      case .success(let connection):
        if hasCurrentPlan(exchange) {
          send(exchange, on: connection)
        } else {
          connection.release()
          allowed(exchange)
        }
      case .failure(let failure): refuse(exchange, Refusal(failure.reason, failure.explanation))
      }
      drive()
    }
    self.dial = dial
    dial.start()
  }

  private func send(_ exchange: Exchange, on connection: UpstreamConnection) {
    guard let head = exchange.head, let target = exchange.target, let authority = exchange.authority,
      let scheme = exchange.scheme, let context
    else { return connection.release() }
    upstream = connection
    connection.begin(for: self, isHeadRequest: exchange.isHeadRequest)
    var buffer = context.channel.allocator.buffer(capacity: head.fields.bytes.readableBytes + 256)
    UpstreamHead.write(
      head, target: target, host: tunnel?.hostText ?? authority.hostText(for: scheme), injection: exchange.injection,
      isUpgrade: exchange.isUpgrade, into: &buffer)
    if !exchange.injection.isEmpty { exchange.scrubber = ResponseScrubber(exchange.injection.needles) }
    exchange.isChunkedUpstream = head.framing == .chunked
    spareFields = head.fields.fields
    exchange.head = nil
    exchange.target = nil
    exchange.wentUpstream = true
    // A kept connection may have been closed by the upstream at this very moment. What has no body and changes nothing is sent
    // once more then; anything else is the client's to repeat.
    let isSafe = exchange.method == "GET" || exchange.method == "HEAD" || exchange.method == "OPTIONS"
    exchange.retry = connection.isReused && isSafe && !exchange.hasBody ? buffer : nil
    connection.write(buffer)
    feedBody()
    connection.flush()
  }

  /// Sends on what has arrived of the request body.
  func feedBody() {
    guard let exchange, exchange.wentUpstream, let upstream, !exchange.body.isDone, var bytes = inbound else { return }
    touch()
    var chunked: ByteBuffer?
    do {
      loop: while true {
        switch try exchange.body.next(&bytes) {
        case .contents(let contents):
          exchange.bytesSent += Int64(contents.readableBytes)
          if exchange.isChunkedUpstream {
            if chunked == nil { chunked = ByteBufferAllocator().buffer(capacity: bytes.readableBytes + contents.readableBytes + 32) }
            if var buffer = chunked {
              chunked = nil
              ChunkWriter.write(contents, into: &buffer)
              chunked = buffer
            }
          } else {
            upstream.write(contents)
          }
        case .needsMore: break loop
        case .end:
          if exchange.isChunkedUpstream {
            var buffer = chunked ?? ByteBufferAllocator().buffer(capacity: 8)
            ChunkWriter.writeEnd(into: &buffer)
            chunked = buffer
          }
          break loop
        }
      }
    } catch {
      inbound = nil
      // Half of the body is sent: the upstream connection cannot be used on, nor can this one.
      return refuse(exchange, Refusal(error))
    }
    inbound = bytes.readableBytes == 0 ? nil : bytes
    if let chunked { upstream.write(chunked) }
    upstream.flush()
  }

  // MARK: What the upstream connection reports

  func upstreamCanTakeMore() {
    if phase == .relay { relayToUpstream() }
    updateRead()
  }

  func idleUpstreamClosed(_ connection: UpstreamConnection) {
    if upstream === connection { upstream = nil }
  }

  func upstreamFailed(_ failure: UpstreamFailure) {
    upstream = nil
    guard let exchange, !exchange.isRecorded else { return }
    if failure.isBeforeResponse, !exchange.responseStarted, let head = exchange.retry {
      exchange.retry = nil
      return sendAgain(exchange, head)
    }
    guard !exchange.responseStarted else { return breakOff(exchange, failure.reason.rawValue) }
    refuse(exchange, Refusal(failure.reason, failure.explanation))
    drive()
  }

  /// The same bytes on a new connection.
  private func sendAgain(_ exchange: Exchange, _ head: ByteBuffer) {
    guard let authority = exchange.authority, let scheme = exchange.scheme else { return }
    let key = UpstreamKey(agent: agent.id, authority: authority, scheme: scheme)
    let dial = UpstreamDial(key: key, loop: loop) { [weak self] result in
      guard let self, self.exchange === exchange, !exchange.isRecorded else { return }
      self.dial = nil
      switch result {
      case .success(let connection):
        upstream = connection
        connection.begin(for: self, isHeadRequest: exchange.isHeadRequest)
        connection.write(head)
        connection.flush()
      case .failure(let failure):
        refuse(exchange, Refusal(failure.reason, failure.explanation))
        drive()
      }
    }
    self.dial = dial
    dial.start()
  }
}

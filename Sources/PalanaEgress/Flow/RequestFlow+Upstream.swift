import NIOCore
import PalanaPolicy

/// Getting a connection to the upstream, and sending the request on it.
extension RequestFlow {
  /// The request is allowed and has its credentials.
  func acquire(_ exchange: Exchange) {
    guard !loop.audit.isDown else {
      return refuse(exchange, Refusal(.auditUnavailable, "requests cannot be written down at this moment"))
    }
    if let sendElsewhere = exchange.sendElsewhere { return sendElsewhere() }
    guard let authority = exchange.authority, let scheme = exchange.scheme else { return }
    do {
      if let held = exchange.heldBody {
        let body = exchange.injection.message?.body ?? held
        exchange.newBody = try exchange.bodyRewriter?(body, exchange) ?? body
      }
    } catch {
      return refuse(exchange, error)
    }
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
    dial(exchange, key) { flow, connection in
      if flow.hasCurrentPlan(exchange) {
        flow.send(exchange, on: connection)
      } else {
        connection.release()
        flow.allowed(exchange)
      }
    }
  }

  private func dial(
    _ exchange: Exchange, _ key: UpstreamKey, _ next: @escaping (RequestFlow, UpstreamConnection) -> Void
  ) {
    let dial = UpstreamDial(key: key, loop: loop) { [weak self] result in
      guard let self, self.exchange === exchange, !exchange.isRecorded else { return }
      self.dial = nil
      switch result {
      case .success(let connection): next(self, connection)
      case .failure(let failure): refuse(exchange, Refusal(failure.reason, failure.explanation))
      }
      client?.proceed()
    }
    self.dial = dial
    dial.start()
  }

  private func send(_ exchange: Exchange, on connection: UpstreamConnection) {
    guard let head = exchange.head, let target = exchange.target, let authority = exchange.authority,
      let scheme = exchange.scheme, let client
    else { return connection.release() }
    upstream = connection
    let framing = exchange.newBody.map { .length(Int64($0.readableBytes)) } ?? head.framing
    connection.begin(for: self, isHeadRequest: exchange.isHeadRequest, isChunked: framing == .chunked)
    if !exchange.injection.isEmpty { exchange.injection.learn(into: loop.shared.learner.book) }
    exchange.scrubber = loop.scrubIndex(for: agent, scheme, authority).map { ResponseScrubber($0) }
    var buffer = ByteBufferAllocator().buffer(capacity: head.fields.bytes.readableBytes + 256)
    UpstreamHead.write(
      head, target: target, host: tunnel?.hostText ?? authority.hostText(for: scheme), framing: framing,
      injection: exchange.injection, isUpgrade: exchange.isUpgrade,
      isScrubbed: exchange.scrubber != nil || !exchange.injection.isEmpty || exchange.injection.readsFrames, into: &buffer)
    spareFields = head.fields.fields
    exchange.head = nil
    exchange.target = nil
    exchange.wentUpstream = true
    // A kept connection may have been closed by the upstream at this very moment. What has no body and changes nothing is sent
    // once more then; anything else is the client's to repeat.
    let isSafe = exchange.method == "GET" || exchange.method == "HEAD" || exchange.method == "OPTIONS"
    exchange.retry = connection.isReused && isSafe && !exchange.hasBody ? buffer : nil
    connection.sendHead(buffer)
    if let body = exchange.newBody {
      exchange.heldBody = nil
      exchange.newBody = nil
      exchange.bytesSent += Int64(body.readableBytes)
      connection.sendContents(body)
      connection.sendEnd(trailers: nil)
    } else if !exchange.isRequestWhole {
      client.proceed()
    }
    connection.flush()
  }

  // MARK: What the upstream connection reports

  func upstreamCanTakeMore() { client?.readOn() }

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
    client?.proceed()
  }

  /// The same bytes on a new connection.
  private func sendAgain(_ exchange: Exchange, _ head: ByteBuffer) {
    guard let authority = exchange.authority, let scheme = exchange.scheme else { return }
    dial(exchange, UpstreamKey(agent: agent.id, authority: authority, scheme: scheme)) { flow, connection in
      flow.upstream = connection
      connection.begin(for: flow, isHeadRequest: exchange.isHeadRequest, isChunked: false)
      connection.sendHead(head)
      connection.flush()
    }
  }
}

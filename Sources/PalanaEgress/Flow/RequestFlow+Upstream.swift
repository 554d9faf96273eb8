import NIOCore
import PalanaPolicy
import PalanaSecrets

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
    var key = key(exchange, authority, scheme)
    if !key.offersHTTP2, loop.speaksOnlyHTTP2(key) {
      exchange.prefersHTTP2 = true
      key.offersHTTP2 = true
    }
    // The connection of the last request, nearly always.
    if let upstream, upstream.isUsable, upstream.key == key { return send(exchange, on: upstream) }
    upstream?.release()
    upstream = nil
    if let shared = loop.pool.shared(key) {
      guard !exchange.isUpgrade || shared.takesWebsockets else { return refuse(exchange, Self.noWebsockets) }
      if let stream = shared.openStream() { return send(exchange, on: stream) }
    }
    if exchange.isUpgrade, let stream = websocketStream(exchange, key) { return send(exchange, on: stream) }
    while let idle = loop.pool.take(key) {
      if idle.isUsable { return send(exchange, on: idle) }
      idle.abort()
    }
    dial(exchange, key) { flow, side in
      if flow.hasCurrentPlan(exchange) {
        flow.send(exchange, on: side)
      } else {
        side.release()
        flow.allowed(exchange)
      }
    }
  }

  private static let noWebsockets = Refusal(
    .upstreamProtocolError, "the upstream speaks nothing but HTTP/2, and takes no websockets in it")

  /// A stream of a connection that is there already, if its upstream takes websockets over HTTP/2.
  private func websocketStream(_ exchange: Exchange, _ key: UpstreamKey) -> HTTP2UpstreamStream? {
    guard key.scheme == .https, !key.offersHTTP2 else { return nil }
    var shared = key
    shared.offersHTTP2 = true
    guard let connection = loop.pool.shared(shared), connection.takesWebsockets else { return nil }
    return connection.openStream()
  }

  private func key(_ exchange: Exchange, _ authority: Authority, _ scheme: EgressRequest.Scheme) -> UpstreamKey {
    UpstreamKey(
      agent: agent.id, authority: authority, scheme: scheme, offersHTTP2: exchange.prefersHTTP2 && scheme == .https)
  }

  private func dial(
    _ exchange: Exchange, _ key: UpstreamKey, _ next: @escaping (RequestFlow, any UpstreamSide) -> Void
  ) {
    dial = nil
    let dial = loop.dial(key) { [weak self] outcome in
      guard let self, self.exchange === exchange, !exchange.isRecorded else {
        if case .connection(let connection) = outcome { connection.release() }
        return
      }
      self.dial = nil
      switch outcome {
      case .connection(let connection):
        if connection.multiplexed == nil {
          next(self, connection)
        } else if exchange.isUpgrade, !connection.takesWebsockets {
          refuse(exchange, Self.noWebsockets)
        } else if let stream = connection.openStream() {
          next(self, stream)
        } else {
          refuse(exchange, Refusal(.upstreamUnreachable, "the upstream takes no more requests at this moment"))
        }
      case .again where exchange.wentUpstream:
        refuse(exchange, Refusal(.upstreamUnreachable, "the upstream takes no more requests at this moment"))
      case .again: acquire(exchange)
      case .failure(let failure):
        if failure.isProtocolMismatch, !key.offersHTTP2 {
          loop.noteOnlyHTTP2(key)
          exchange.prefersHTTP2 = true
          acquire(exchange)
        } else {
          refuse(exchange, Refusal(failure.reason, failure.explanation))
        }
      }
      client?.proceed()
    }
    // It may be over already.
    if self.exchange === exchange, upstream == nil, self.dial == nil { self.dial = dial }
  }

  private func send(_ exchange: Exchange, on connection: any UpstreamSide) {
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
    exchange.isRepeatable = connection.isReused && isSafe
    exchange.retry = (exchange.isRepeatable || connection.tellsUnprocessed) && !exchange.hasBody ? buffer : nil
    connection.sendHead(buffer)
    if let body = exchange.newBody {
      exchange.heldBody = nil
      exchange.newBody = nil
      exchange.bytesSent += Int64(body.readableBytes)
      connection.sendContents(body)
      connection.sendEnd(trailers: nil)
    } else if !exchange.isRequestWhole {
      sendHeldCommands(exchange)
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
    if failure.isUnprocessed || failure.isBeforeResponse && exchange.isRepeatable, !exchange.responseStarted,
      let head = exchange.retry
    {
      exchange.retry = nil
      return sendAgain(exchange, head)
    }
    guard !exchange.responseStarted else { return breakOff(exchange, failure.reason.rawValue) }
    refuse(exchange, Refusal(failure.reason, failure.explanation))
    client?.proceed()
  }

  /// The same bytes on another connection, or another stream.
  private func sendAgain(_ exchange: Exchange, _ head: ByteBuffer) {
    guard let authority = exchange.authority, let scheme = exchange.scheme else { return }
    let key = key(exchange, authority, scheme)
    if let stream = loop.pool.shared(key)?.openStream() { return sendAgain(exchange, head, on: stream) }
    dial(exchange, key) { flow, side in flow.sendAgain(exchange, head, on: side) }
  }

  private func sendAgain(_ exchange: Exchange, _ head: ByteBuffer, on side: any UpstreamSide) {
    upstream = side
    side.begin(for: self, isHeadRequest: exchange.isHeadRequest, isChunked: false)
    side.sendHead(head)
    side.flush()
  }
}

import NIOCore
import PalanaPolicy
import PalanaSecrets

/// The contents of a request, from its client to the upstream, and the bytes of a websocket in the same direction.
extension RequestFlow {
  /// Contents of the request, without framing. Only while ``takesContents``.
  func requestContents(_ contents: ByteBuffer) {
    guard let exchange else { return }
    client?.touch()
    if exchange.isCollecting {
      if !takeGitContents(contents, exchange) { hold(contents, exchange) }
      return
    }
    exchange.bytesSent += Int64(contents.readableBytes)
    if limits.requestBodyBytes > 0, !exchange.isRelay, exchange.bytesSent > limits.requestBodyBytes {
      return refuse(exchange, Self.bodyTooLarge)
    }
    if exchange.isRelay || !exchange.requestFilters.isEmpty {
      filter(exchange) { (filters) throws(Refusal) in try filters.pass(contents) }
    } else {
      upstream?.sendContents(contents)
    }
  }

  /// The request is whole.
  func requestEnded(trailers: HeadFields?) {
    guard let exchange, !exchange.isRequestWhole else { return }
    if let trailers, let refusal = check(trailers) { return refuse(exchange, refusal) }
    exchange.isRequestWhole = true
    if exchange.isCollecting {
      if gitEnded(exchange) { return }
      exchange.isCollecting = false
      if exchange.heldBody == nil { exchange.heldBody = ByteBuffer() }
      return filterHeld(exchange)
    }
    if !exchange.requestFilters.isEmpty {
      filter(exchange) { (filters) throws(Refusal) in try filters.finish() }
      guard !exchange.isRecorded else { return }
    }
    if let trailers {
      do { try loop.leakGuard.check(trailers, of: agent.id) } catch { return refuse(exchange, error) }
    }
    upstream?.sendEnd(trailers: trailers)
  }

  /// Credentials are not put into trailers, and must not stand there either.
  private func check(_ trailers: HeadFields) -> Refusal? {
    guard agent.scanner.firstMatch(in: trailers.bytes.readableBytesUInt8Span) == nil else {
      return Refusal(.placeholderLeft, "a placeholder stands where the gateway does not replace it")
    }
    do throws(Refusal) {
      try loop.leakGuard.check(trailers, of: agent.id)
      return nil
    } catch {
      return error
    }
  }

  /// All contents that came with one read were given.
  func requestReadComplete() { upstream?.flush() }

  private func filter(
    _ exchange: Exchange, _ step: (inout [any BodyFilter]) throws(Refusal) -> ByteBuffer?
  ) {
    do {
      let ready = exchange.isRelay ? try step(&exchange.relayToUpstream) : try step(&exchange.requestFilters)
      if let ready { upstream?.sendContents(ready) }
    } catch {
      // A part of it is sent: the upstream connection cannot be used on.
      refuse(exchange, error)
    }
  }

  // MARK: Held whole

  /// The body is needed whole before the request goes on in ``allowed(_:)``.
  func collect(_ exchange: Exchange) {
    if case .length(let count)? = exchange.head?.framing, count > Int64(limits.bodyRewriteBytes) {
      return refuse(exchange, tooLarge)
    }
    exchange.isCollecting = true
    // What was read of a push already is a part of it.
    exchange.heldBody = exchange.git?.held.take()
    if exchange.head?.expectsContinue == true { client?.sendContinue() }
    client?.proceed()
    client?.readOn()
  }

  private func hold(_ contents: ByteBuffer, _ exchange: Exchange) {
    let count = (exchange.heldBody?.readableBytes ?? 0) + contents.readableBytes
    guard count <= limits.bodyRewriteBytes else { return refuse(exchange, tooLarge) }
    if exchange.heldBody?.writeImmutableBuffer(contents) == nil { exchange.heldBody = contents }
  }

  /// What looks at bodies as they pass looks at one that was held before anything is put into it.
  private func filterHeld(_ exchange: Exchange) {
    if let body = exchange.heldBody, !exchange.requestFilters.isEmpty {
      do {
        var passed = try exchange.requestFilters.pass(body) ?? ByteBuffer()
        if var rest = try exchange.requestFilters.finish() { passed.writeBuffer(&rest) }
        exchange.heldBody = passed
      } catch {
        return refuse(exchange, error)
      }
    }
    allowed(exchange)
  }

  private var tooLarge: Refusal { CredentialInjector.tooLarge(limits.bodyRewriteBytes) }
}

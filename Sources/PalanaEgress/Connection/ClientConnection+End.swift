import NIOCore
import NIOSSL
import PalanaAudit
import PalanaCore
import PalanaPolicy

/// How requests and connections end. Whatever the way, a request has exactly one event.
extension ClientConnection {
  typealias Verdict = AuditEvent.Decision
  private static let mostChallenges = 4

  /// Writes the event of a request down, once.
  /// - Returns: whether it will survive this process.
  @discardableResult
  func record(_ exchange: Exchange, _ verdict: Verdict, _ reason: String?, details: [String: String] = [:]) -> Bool {
    guard !exchange.isRecorded else { return true }
    exchange.isRecorded = true
    switch verdict {
    case .deny: loop.counts.deniedRequests += 1
    case .error: loop.counts.failedRequests += 1
    case .allow, .info: break
    }
    if !exchange.isConnect {
      tunnel?.hasRequests = true
      loop.counts.requests += 1
    }
    loop.counts.bytesSent += UInt64(exchange.bytesSent)
    loop.counts.bytesReceived += UInt64(exchange.bytesReceived)
    guard loop.audit.record(exchange.event(verdict, reason: reason, source: source, details: details)) else {
      loop.counts.lostEvents += 1
      return false
    }
    return true
  }

  /// The request is over; the next one may come.
  func finish(_ exchange: Exchange, keepsAlive: Bool) {
    self.exchange = nil
    guard phase != .closed else { return }
    if keepsAlive {
      phase = .head
      deadline = loop.now + TimeAmount(inbound == nil ? limits.idleTimeout : limits.headTimeout)
    } else {
      drain()
    }
  }

  /// Sends what is left to send, says that nothing more comes, and waits a moment for the client to read it: closing at once
  /// could take the answer away from a client that is still sending.
  func drain() {
    guard phase != .closed, phase != .draining else { return }
    phase = .draining
    inbound = nil
    touch()
    releaseUpstream()
    guard let context else { return }
    let sent = context.eventLoop.makePromise(of: Void.self)
    context.close(mode: .output, promise: sent)
    // Only what the client still sends is waited for so shortly, not what it still reads.
    sent.futureResult.assumeIsolated().whenComplete { [self] _ in deadline = loop.now + .seconds(2) }
  }

  private func releaseUpstream() {
    dial?.cancel()
    dial = nil
    if let upstream {
      self.upstream = nil
      if upstream.isUsable { upstream.release() } else { upstream.abort() }
    }
  }

  /// Answers with a refusal and writes it down.
  func refuse(_ exchange: Exchange, _ refusal: Refusal) {
    guard !exchange.isRecorded, phase != .closed else { return }
    if refusal.reason == .secretLeak {
      exchange.severity = .critical
      exchange.path = nil
    }
    let status = refusal.reason.status
    exchange.status = exchange.status ?? status
    record(exchange, status >= 500 ? .error : .deny, refusal.reason.rawValue, details: refusal.details)
    if exchange.responseStarted { return abandon() }
    self.exchange = exchange
    dial?.cancel()
    dial = nil
    if exchange.wentUpstream {
      upstream?.abort()
      upstream = nil
    }
    if refusal.reason == .proxyAuthenticationRequired { challenges += 1 }
    // A body that nobody reads would be taken for the next request; a client that guesses passwords has to come again.
    let isWhole = exchange.keepsAlive && !exchange.hasBody && !exchange.wentUpstream
    let keepsAlive = isWhole && challenges < Self.mostChallenges && !refusal.closes
    append {
      DenialAnswer.write(
        refusal, exchange: exchange, closes: !keepsAlive, into: &$0)
    }
    writeOutbound()
    flushIfNeeded()
    finish(exchange, keepsAlive: keepsAlive)
  }

  /// A head that could not be read.
  func refuseMalformed(_ error: HeadError) {
    let exchange = makeExchange()
    exchange.scheme = tunnel == nil ? nil : .https
    exchange.authority = tunnel?.authority
    exchange.keepsAlive = false
    inbound = nil
    refuse(exchange, Refusal(error))
  }

  func refuseSlowHead() {
    let exchange = makeExchange()
    exchange.scheme = tunnel == nil ? nil : .https
    exchange.authority = tunnel?.authority
    exchange.keepsAlive = false
    inbound = nil
    refuse(exchange, Refusal(.requestTimeout, "the request head did not arrive in time"))
  }

  func streamTimedOut() {
    if let exchange, !exchange.responseStarted {
      refuse(
        exchange,
        exchange.wentUpstream || dial != nil
          ? Refusal(.upstreamTimeout, "the upstream did not answer in time")
          : Refusal(.policyUnavailable, "the decision was not taken in time"))
      drive()
    } else {
      end(.idle)
      context?.close(promise: nil)
    }
  }

  /// The response cannot be completed: the client must notice, so nothing ends cleanly.
  func breakOff(_ exchange: Exchange, _ reason: String) {
    record(exchange, .error, reason)
    writeOutbound()
    flushIfNeeded()
    abandon()
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

  /// The end of the connection's life: events for what was open, the upstream side closed. Idempotent.
  func end(_ reason: EndReason) {
    guard phase != .closed else { return }
    let wasRelay = phase == .relay
    phase = .closed
    if let exchange, !exchange.isRecorded {
      // A websocket that its client closes has ended well.
      if wasRelay, reason == .clientAborted {
        record(exchange, .allow, nil)
      } else {
        record(exchange, exchange.wentUpstream || reason == .clientAborted ? .error : .deny, reason.text)
      }
    }
    if let tunnel, !tunnel.hasRequests {
      // The event of a CONNECT that nothing followed.
      record(tunnel.opening, .allow, reason == .clientAborted ? nil : reason.text)
    }
    tunnel?.hasRequests = true
    exchange = nil
    inbound = nil
    outbound = nil
    dial?.cancel()
    dial = nil
    let upstream = self.upstream
    self.upstream = nil
    guard let upstream else { return }
    if reason != .clientAborted {
      upstream.abort()
    } else if wasRelay {
      upstream.finishRelay()
    } else if upstream.isUsable {
      upstream.release()
    } else {
      upstream.abort()
    }
  }

  /// The policy changed while a request is under way.
  func judgeAgain() {
    guard let exchange, !exchange.isRecorded, exchange.decision != nil, let question = exchange.question else { return }
    if let decision = agent.decisions.decideImmediately(question) {
      if let denial = decision.denial { cutForPolicy(exchange, denial) }
      return
    }
    let decisions = agent.decisions
    let bound = NIOLoopBound((self, exchange), eventLoop: loop.eventLoop)
    let eventLoop = loop.eventLoop
    let taken = loop.shared.bridge.submit {
      let decision = await decisions.decide(question)
      eventLoop.execute {
        let (connection, exchange) = bound.value
        guard connection.exchange === exchange, let denial = decision.denial else { return }
        connection.cutForPolicy(exchange, denial)
      }
    }
    if !taken { cutForPolicy(exchange, .policyUnavailable) }
  }

  private func cutForPolicy(_ exchange: Exchange, _ denial: DenialReason) { cut(.policyChanged(denial)) }
}

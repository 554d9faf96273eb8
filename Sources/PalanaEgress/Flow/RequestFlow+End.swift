import NIOCore
import PalanaAudit
import PalanaCore
import PalanaPolicy

/// How requests end. Whatever the way, a request has exactly one event.
extension RequestFlow {
  typealias Verdict = AuditEvent.Decision

  /// Writes the event of a request down, once.
  /// - Returns: whether it will survive this process.
  @discardableResult
  func record(_ exchange: Exchange, _ verdict: Verdict, _ reason: String?, details: [String: String] = [:]) -> Bool {
    guard !exchange.isRecorded else { return true }
    exchange.isRecorded = true
    exchange.meter?.endRequest()
    exchange.meter = nil
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

  /// Answers with a refusal and writes it down; later, if the agent was refused too often.
  func refuse(_ exchange: Exchange, _ refusal: Refusal) {
    guard !exchange.isRecorded, exchange.refusal == nil, let client else { return }
    // Only what the agent itself brings about, and before anything else is under way.
    let isOwn = refusal.reason.status < 500 && !exchange.wentUpstream
    let wait = isOwn ? meter.refuse(perSecond: limits.refusalsPerSecond, now: .now()) : .zero
    guard wait > .zero else { return answer(exchange, refusal) }
    exchange.refusal = refusal
    exchange.isCollecting = false
    exchange.heldBody = nil
    self.exchange = exchange
    dial?.cancel()
    dial = nil
    client.hold()
    loop.eventLoop.assumeIsolated().scheduleTask(in: min(wait, .seconds(60))) { [self] in
      guard self.exchange === exchange, !exchange.isRecorded else { return }
      answer(exchange, refusal)
      self.client?.proceed()
    }
  }

  private func record(_ exchange: Exchange, _ refusal: Refusal) {
    if refusal.reason == .secretLeak {
      exchange.severity = .critical
      exchange.path = nil
    }
    exchange.status = exchange.status ?? refusal.status
    record(exchange, refusal.status >= 500 ? .error : .deny, refusal.reason.rawValue, details: refusal.details)
  }

  private func answer(_ exchange: Exchange, _ refusal: Refusal) {
    guard let client else { return }
    record(exchange, refusal)
    if exchange.isRelay { return closeRelay(exchange, client) }
    if exchange.responseStarted { return client.abandon() }
    self.exchange = exchange
    dial?.cancel()
    dial = nil
    if exchange.wentUpstream {
      upstream?.abort()
      upstream = nil
    }
    client.sendRefusal(refusal, of: exchange)
  }

  /// The time for a request is over that got no answer yet.
  /// - Returns: false when there is nothing to answer.
  func refuseLate() -> Bool {
    guard let exchange, !exchange.responseStarted else { return false }
    let refusal =
      if let refused = exchange.git?.refusal {
        refused
      } else if exchange.isCollecting {
        Refusal(.requestTimeout, "the request body did not arrive in time")
      } else if exchange.wentUpstream || dial != nil {
        Refusal(.upstreamTimeout, "the upstream did not answer in time")
      } else {
        Refusal(.policyUnavailable, "the decision was not taken in time")
      }
    refuse(exchange, refusal)
    client?.proceed()
    return true
  }

  /// The response cannot be completed: the client must notice, so nothing ends cleanly.
  func breakOff(_ exchange: Exchange, _ reason: String) {
    record(exchange, .error, reason)
    client?.flush()
    client?.abandon()
  }

  /// No request follows: what is held upstream is given back.
  func releaseUpstream() {
    dial?.cancel()
    dial = nil
    guard let upstream else { return }
    self.upstream = nil
    if upstream.isUsable { upstream.release() } else { upstream.abort() }
  }

  /// The client side is gone: the event of what was open, the upstream side closed. Idempotent.
  func end(_ reason: EndReason) {
    client = nil
    let exchange = self.exchange
    self.exchange = nil
    let isRelay = exchange?.isRelay ?? false
    if let exchange, !exchange.isRecorded {
      if let refusal = exchange.refusal {
        record(exchange, refusal)
        // A websocket that its client closes has ended well.
      } else if isRelay, reason == .clientAborted {
        record(exchange, .allow, nil)
      } else if let refusal = exchange.git?.refusal {
        record(exchange, refusal)
      } else {
        record(exchange, exchange.wentUpstream || reason == .clientAborted ? .error : .deny, reason.text)
      }
    }
    dial?.cancel()
    dial = nil
    guard let upstream else { return }
    self.upstream = nil
    if reason != .clientAborted {
      upstream.abort()
    } else if isRelay {
      upstream.finishRelay()
    } else if upstream.isUsable {
      upstream.release()
    } else {
      upstream.abort()
    }
  }

  // MARK: Changes of policy

  /// The policy changed while a request is under way.
  func judgeAgain() {
    guard let exchange, !exchange.isRecorded, exchange.decision != nil, let question = exchange.question else { return }
    if let decision = agent.decisions.decideImmediately(question) {
      if let denial = decision.denial { client?.cut(.policyChanged(denial)) }
      return
    }
    let decisions = agent.decisions
    let bound = NIOLoopBound((self, exchange), eventLoop: loop.eventLoop)
    let eventLoop = loop.eventLoop
    let taken = loop.shared.bridge.submit {
      let decision = await decisions.decide(question)
      eventLoop.execute {
        let (flow, exchange) = bound.value
        guard flow.exchange === exchange, !exchange.isRecorded, let denial = decision.denial else { return }
        flow.client?.cut(.policyChanged(denial))
      }
    }
    if !taken { client?.cut(.policyChanged(.policyUnavailable)) }
  }
}

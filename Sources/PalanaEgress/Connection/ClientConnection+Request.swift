import NIOCore
import PalanaCore
import PalanaPolicy
import PalanaSecrets

/// The way of a request: checked, decided, given its credentials. ``ClientConnection/acquire(_:)`` takes it on from there.
extension ClientConnection {
  /// A request inside the tunnel. Each one is checked anew.
  func handleInnerRequest(_ head: RequestHead) {
    let exchange = makeExchange()
    exchange.take(head)
    exchange.scheme = .https
    exchange.authority = tunnel?.authority
    touch()
    do throws(Refusal) {
      guard let tunnel else { return }
      if head.fields.equal(head.method, "connect") {
        throw Refusal(.protocolNotSupported, "there is no tunnel inside a tunnel")
      }
      try checkHost(head, tunnel)
      let target = try parseTarget(head)
      if case .absolute(let scheme, let authority) = target.form {
        guard scheme == .https, authority == tunnel.authority else {
          throw Refusal(.nameMismatch, "the request target names another authority than the tunnel")
        }
      }
      exchange.path = target.path.description
      try begin(exchange, head, target)
    } catch {
      refuse(exchange, error)
    }
  }

  /// The Host field names the authority of the tunnel, in whatever spelling.
  private func checkHost(_ head: RequestHead, _ tunnel: Tunnel) throws(Refusal) {
    do {
      guard let field = try head.fields.single(.host, "there are several Host fields") else {
        throw HeadError.malformed("the Host field is missing")
      }
      if tunnel.hostTexts.contains(where: { head.fields.isExactly(field.value, $0) }) { return }
      let named: Authority
      do {
        named = try Authority.parse(hostHeader: head.fields.text(field.value), defaultPort: 443)
      } catch {
        throw HeadError.malformed("the Host field is malformed")
      }
      guard named == tunnel.authority else {
        throw Refusal(.nameMismatch, "the Host field names another authority than the tunnel")
      }
    } catch let error as HeadError {
      throw Refusal(error)
    } catch let error as Refusal {
      throw error
    } catch {
      throw Refusal(.malformedRequest, "the Host field is malformed")
    }
  }

  /// What both kinds of requests have in common from here.
  func begin(_ exchange: Exchange, _ head: RequestHead, _ target: RequestTarget) throws(Refusal) {
    guard let scheme = exchange.scheme, let authority = exchange.authority else { return }
    let injector = CredentialInjector(agent: agent, authority: authority, scheme: scheme)
    // First of all, so that no event about this request can hold the value.
    try injector.checkLeaks(head.fields, loop.shared.secrets)
    if target.form == .asterisk, exchange.method != "OPTIONS" {
      throw Refusal(.malformedRequest, "only OPTIONS has the target *")
    }
    try checkPreflight(method: exchange.method, authority)
    try HeaderPolicy.check(head)
    exchange.head = head
    exchange.target = target
    exchange.isUpgrade = try HeaderPolicy.isWebsocket(head, method: exchange.method)
    exchange.body = BodyDecoder(head.framing, overheadLimit: limits.headerBytes)
    exchange.question = EgressRequest(
      subject: agent.subject, stage: .request, scheme: scheme, authority: authority, method: exchange.method,
      path: exchange.path)
    decide(exchange) { $0.allowed($1) }
  }

  /// Asks the policy; `next` runs only for what it allows.
  func decide(_ exchange: Exchange, _ next: @escaping (ClientConnection, Exchange) -> Void) {
    guard let question = exchange.question else { return }
    self.exchange = exchange
    phase = exchange.isConnect ? .deciding : .exchange
    if let decision = agent.decisions.decideImmediately(question) {
      return decided(exchange, decision, next)
    }
    let asked = agent
    let decisions = asked.decisions
    let bound = NIOLoopBound((self, exchange, next), eventLoop: loop.eventLoop)
    let eventLoop = loop.eventLoop
    let taken = loop.shared.bridge.submit {
      let decision = await decisions.decide(question)
      eventLoop.execute {
        let (connection, exchange, next) = bound.value
        guard connection.exchange === exchange, !exchange.isRecorded else { return }
        if connection.agent === asked {
          connection.decided(exchange, decision, next)
        } else {
          // The policy changed meanwhile: the answer is one to the old one.
          connection.decide(exchange, next)
        }
        connection.drive()
      }
    }
    if !taken { refuse(exchange, Refusal(.policyUnavailable, "too many decisions are waiting for the guardrails")) }
  }

  private func decided(
    _ exchange: Exchange, _ decision: EgressDecision, _ next: (ClientConnection, Exchange) -> Void
  ) {
    exchange.decision = decision
    if let denial = decision.denial {
      refuse(exchange, Refusal(denial, decision.explanation))
    } else {
      if exchange.isConnect { self.exchange = nil }
      next(self, exchange)
    }
  }

  /// The policy allows it: find the placeholders, get the values.
  func allowed(_ exchange: Exchange) {
    guard let head = exchange.head, let target = exchange.target, let authority = exchange.authority,
      let scheme = exchange.scheme
    else { return }
    exchange.planned = agent
    do {
      exchange.injection = try CredentialInjector(agent: agent, authority: authority, scheme: scheme)
        .plan(head, target, secrets: loop.shared.secrets)
    } catch {
      return refuse(exchange, error)
    }
    guard !exchange.injection.missing.isEmpty else { return acquire(exchange) }
    fetchSecrets(exchange)
  }

  /// The values that are not in memory. Each request gets all of its values at one moment, so a rotation is seen wholly or not at all.
  private func fetchSecrets(_ exchange: Exchange) {
    let source = loop.shared.secrets
    let wanted = exchange.injection.missing
    let bound = NIOLoopBound((self, exchange), eventLoop: loop.eventLoop)
    let eventLoop = loop.eventLoop
    let taken = loop.shared.bridge.submit {
      var values: [Redacted<String>]? = []
      for binding in wanted {
        guard let value = try? await source.value(of: binding.ref, revision: binding.revision) else {
          values = nil
          break
        }
        values?.append(value)
      }
      let result = values
      eventLoop.execute {
        let (connection, exchange) = bound.value
        guard connection.exchange === exchange, !exchange.isRecorded else { return }
        connection.fetched(exchange, result)
        connection.drive()
      }
    }
    if !taken { refuse(exchange, Refusal(.secretUnavailable, "too many requests are waiting for the secret store")) }
  }

  private func fetched(_ exchange: Exchange, _ values: [Redacted<String>]?) {
    guard let values, exchange.injection.supply(values) else {
      return refuse(exchange, Refusal(.secretUnavailable, "a secret of this request cannot be read at this moment"))
    }
    guard hasCurrentPlan(exchange) else { return allowed(exchange) }
    acquire(exchange)
  }

  /// Whether the credentials of a request are still those that the agent has: they may be bound otherwise, or be taken away,
  /// while something is waited for.
  func hasCurrentPlan(_ exchange: Exchange) -> Bool {
    guard let planned = exchange.planned else { return false }
    return planned === agent || planned.bindings == agent.bindings
  }
}

import NIOCore
import PalanaCore
import PalanaPolicy
import PalanaSecrets

/// The decision, and the credentials of what is allowed.
extension RequestFlow {
  /// Asks the policy; `next` runs only for what it allows.
  func decide(_ exchange: Exchange, _ next: @escaping (RequestFlow, Exchange) -> Void) {
    guard let question = exchange.question else { return }
    self.exchange = exchange
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
        let (flow, exchange, next) = bound.value
        guard flow.exchange === exchange, !exchange.isRecorded else { return }
        if flow.agent === asked {
          flow.decided(exchange, decision, next)
        } else {
          // The policy changed meanwhile: the answer is one to the old one.
          flow.decide(exchange, next)
        }
        flow.client?.proceed()
      }
    }
    if !taken { refuse(exchange, Refusal(.policyUnavailable, "too many decisions are waiting for the guardrails")) }
  }

  private func decided(
    _ exchange: Exchange, _ decision: EgressDecision, _ next: (RequestFlow, Exchange) -> Void
  ) {
    exchange.decision = decision
    if let denial = decision.denial {
      let refusal = Refusal(denial, decision.explanation)
      if !refusePush(exchange, refusal) { refuse(exchange, refusal) }
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
    let injector = CredentialInjector(agent: agent, authority: authority, scheme: scheme, tokens: loop.shared.tokens)
    if exchange.git?.needsCommands == true {
      guard exchange.sendElsewhere == nil else { return refuse(exchange, Self.notThere) }
      return awaitCommands(exchange)
    }
    do throws(Refusal) {
      if exchange.hasBody, exchange.heldBody == nil {
        if try injector.needsBody(head, limit: limits.bodyRewriteBytes) { exchange.holdsBody = true }
        if exchange.holdsBody, exchange.sendElsewhere != nil { throw Self.notThere }
        if exchange.holdsBody { return collect(exchange) }
      }
      exchange.planned = agent
      exchange.injection = try injector.plan(
        head, target, body: exchange.heldBody, secrets: loop.shared.secrets, clock: loop.shared.clock)
    } catch {
      return refuse(exchange, error)
    }
    guard !exchange.injection.missing.isEmpty else { return acquire(exchange) }
    fetchSecrets(exchange)
  }

  /// The values that are not in memory. Each request gets all of its values at one moment, so a rotation is seen wholly or not at all.
  private func fetchSecrets(_ exchange: Exchange) {
    fetch(exchange.injection.missing, for: exchange) { flow, values in flow.fetched(exchange, values) }
  }

  /// Fetches values that are not in memory. `next` gets them in the same order, or nil when one cannot be had; it is called only
  /// while the request is still under way.
  func fetch(
    _ wanted: [PlaceholderBinding], for exchange: Exchange,
    _ next: @escaping (RequestFlow, [Redacted<String>]?) -> Void
  ) {
    let source = loop.shared.secrets
    let bound = NIOLoopBound((self, exchange, next), eventLoop: loop.eventLoop)
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
        let (flow, exchange, next) = bound.value
        guard flow.exchange === exchange, !exchange.isRecorded else { return }
        next(flow, result)
        flow.client?.proceed()
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

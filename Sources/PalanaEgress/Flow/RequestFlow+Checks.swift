import NIOCore
import PalanaPolicy

/// What is checked before the policy is asked.
extension RequestFlow {
  /// A request inside the tunnel. Each one is checked anew.
  func innerRequest(_ head: RequestHead, _ exchange: Exchange) {
    exchange.scheme = .https
    exchange.authority = tunnel?.authority
    client?.touch()
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

  /// What all kinds of requests have in common from here.
  func begin(_ exchange: Exchange, _ head: RequestHead, _ target: RequestTarget) throws(Refusal) {
    guard let scheme = exchange.scheme, let authority = exchange.authority else { return }
    // First of all, so that no event about this request can hold the value.
    try loop.leakGuard.check(head.fields, of: agent.id)
    try checkLimits(exchange, head)
    if target.form == .asterisk, exchange.method != "OPTIONS" {
      throw Refusal(.malformedRequest, "only OPTIONS has the target *")
    }
    try checkPreflight(method: exchange.method, authority)
    try HeaderPolicy.check(head)
    exchange.head = head
    exchange.target = target
    try recogniseGit(exchange, head, target)
    exchange.isUpgrade = try HeaderPolicy.isWebsocket(head, method: exchange.method)
    watchForLeaks(exchange)
    exchange.question = EgressRequest(
      subject: agent.subject, stage: .request, scheme: scheme, authority: authority, method: exchange.method,
      path: exchange.path, git: exchange.git?.operation)
    decide(exchange) { $0.allowed($1) }
  }

  private func checkLimits(_ exchange: Exchange, _ head: RequestHead) throws(Refusal) {
    guard meter.beginRequest(limit: limits.requestsInFlight) else {
      throw Refusal(.limitExceeded, "the agent has too many requests under way")
    }
    exchange.meter = meter
    meter.touch(loop.now)
    if limits.requestBodyBytes > 0, case .length(let count) = head.framing, count > limits.requestBodyBytes {
      throw Self.bodyTooLarge
    }
  }

  static let bodyTooLarge = Refusal(.bodyTooLarge, "the body is larger than the agent may send")

  /// What no rule can allow.
  func checkPreflight(method: String?, _ authority: Authority) throws(Refusal) {
    if let refusal = Preflight.refusal(method: method, authority: authority, addresses: loop.shared.addresses) {
      throw Refusal(refusal.reason, refusal.explanation)
    }
  }

  func parseTarget(_ head: RequestHead) throws(Refusal) -> RequestTarget {
    do {
      return try RequestTarget.parse(head.fields.text(head.target), encodedSlashes: .kept)
    } catch {
      throw Refusal(.malformedRequest, error.description)
    }
  }
}

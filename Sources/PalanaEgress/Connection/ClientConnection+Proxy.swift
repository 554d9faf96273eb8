import NIOCore
import PalanaCore
import PalanaPolicy

/// Requests to the proxy itself: CONNECT, and plain HTTP in absolute form.
extension ClientConnection {
  func makeExchange(_ action: String = "request") -> Exchange {
    let exchange = Exchange(id: loop.ids.next(), time: loop.shared.clock.now(), started: .now(), agent: agent)
    exchange.action = action
    return exchange
  }

  func handleProxyRequest(_ head: RequestHead) {
    let exchange = makeExchange()
    exchange.take(head)
    touch()
    do {
      if head.fields.equal(head.method, "connect") {
        try connect(head, exchange)
      } else {
        try plainRequest(head, exchange)
      }
    } catch {
      refuse(exchange, error)
    }
  }

  private func connect(_ head: RequestHead, _ exchange: Exchange) throws(Refusal) {
    exchange.action = "connect"
    exchange.scheme = .https
    exchange.isConnect = true
    let authority: Authority
    do {
      authority = try Authority.parse(connectTarget: head.fields.text(head.target))
    } catch {
      throw Refusal(.malformedRequest, error.description)
    }
    exchange.authority = authority
    // Optional in old clients; when it is there it names the same authority.
    if let host = try hostField(head, required: false) {
      guard let named = try? Authority.parse(hostHeader: host, defaultPort: authority.port), named == authority else {
        throw Refusal(.nameMismatch, "the Host field names another authority than CONNECT")
      }
    }
    guard head.framing == .none else { throw Refusal(.malformedRequest, "a CONNECT request has no body") }
    try authenticate(head)
    try checkPreflight(method: nil, authority)
    exchange.question = EgressRequest(
      subject: agent.subject, stage: .authority, scheme: .https, authority: authority)
    decide(exchange) { $0.connectDecided($1) }
  }

  private func connectDecided(_ exchange: Exchange) {
    guard !loop.audit.isDown else {
      return refuse(exchange, Refusal(.auditUnavailable, "requests cannot be written down at this moment"))
    }
    guard let authority = exchange.authority else { return }
    tunnel = Tunnel(authority: authority, opening: exchange)
    loop.counts.tunnels += 1
    phase = .hello
    deadline = loop.now + TimeAmount(limits.handshakeTimeout)
    writeStatic("HTTP/1.1 200 Connection established\r\n\r\n")
    drive()
  }

  private func plainRequest(_ head: RequestHead, _ exchange: Exchange) throws(Refusal) {
    let target = try parseTarget(head)
    guard case .absolute(let scheme, let authority) = target.form else {
      throw Refusal(.malformedRequest, "a request to the proxy names a whole URL")
    }
    exchange.scheme = scheme
    exchange.authority = authority
    exchange.path = target.path.description
    guard scheme == .http else {
      throw Refusal(.malformedRequest, "https goes through a tunnel: use CONNECT")
    }
    guard let host = try hostField(head, required: true),
      let named = try? Authority.parse(hostHeader: host, defaultPort: 80), named == authority
    else { throw Refusal(.nameMismatch, "the Host field names another authority than the request target") }
    try authenticate(head)
    try begin(exchange, head, target)
  }

  /// The second factor. The user name in it changes nothing: who speaks is known from the address.
  private func authenticate(_ head: RequestHead) throws(Refusal) {
    let field: HeadField?
    do {
      field = try head.fields.single(.proxyAuthorization, "there are several proxy-authorization fields")
    } catch {
      throw Refusal(error)
    }
    guard let field, let password = BasicCredentials(head.fields.text(field.value))?.password,
      agent.proxyToken.matches(Redacted(password))
    else {
      throw Refusal(.proxyAuthenticationRequired, "the proxy password is missing or wrong")
    }
  }

  /// What no rule can allow.
  func checkPreflight(method: String?, _ authority: Authority) throws(Refusal) {
    if let refusal = Preflight.refusal(method: method, authority: authority, addresses: loop.shared.addresses) {
      throw Refusal(refusal.reason, refusal.explanation)
    }
  }

  /// The text of the one Host field.
  func hostField(_ head: RequestHead, required: Bool) throws(Refusal) -> String? {
    do throws(HeadError) {
      guard let field = try head.fields.single(.host, "there are several Host fields") else {
        if required { throw HeadError.malformed("the Host field is missing") }
        return nil
      }
      return head.fields.text(field.value)
    } catch {
      throw Refusal(error)
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

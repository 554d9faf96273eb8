import PalanaCore
import PalanaPolicy

/// What is checked of requests to the proxy itself: CONNECT, and plain HTTP in absolute form.
extension RequestFlow {
  /// - Parameter next: called for what is allowed.
  func connect(
    _ head: RequestHead, _ exchange: Exchange, _ next: @escaping (Exchange) -> Void
  ) throws(Refusal) {
    exchange.action = "connect"
    exchange.scheme = .https
    exchange.isConnect = true
    try loop.leakGuard.check(head.fields, of: agent.id)
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
    decide(exchange) { _, exchange in next(exchange) }
  }

  func plainRequest(_ head: RequestHead, _ exchange: Exchange) throws(Refusal) {
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
}

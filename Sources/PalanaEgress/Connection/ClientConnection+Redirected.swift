import NIOCore
import PalanaAudit
import PalanaPolicy

/// Connections that were redirected to the gateway: there is no CONNECT, so the original destination takes the place of its authority,
/// and the policy is asked about it before TLS is answered.
extension ClientConnection {
  /// - Returns: whether the phase went on.
  func readOpening() -> Bool {
    guard let inbound, let destination else { return false }
    switch FirstBytes.read(inbound) {
    case .needsMore: return false
    case .http:
      phase = .head
      deadline = loop.now + TimeAmount(limits.headTimeout)
    case .other:
      refuseOpening(destination, .protocolNotSupported, "something other than TLS or HTTP was sent")
    case .tls:
      switch ClientHello.read(inbound) {
      case .needsMore: return false
      case .notTLS, .malformed: refuseOpening(destination, .protocolNotSupported, "the TLS handshake is malformed")
      case .complete(let name): openRedirected(destination, serverName: name)
      }
    }
    return true
  }

  private func openRedirected(_ destination: Authority, serverName: String?) {
    let exchange = makeOpening(destination)
    phase = .deciding
    do throws(Refusal) {
      // A client that wants an address has no name to say; any other says which name it wants, and it is that of the address.
      if let serverName {
        guard (try? CanonicalHost.parse(serverName)) == destination.host else {
          throw Refusal(.nameMismatch, "the TLS server name is another one than that of the address")
        }
      } else if destination.host.address == nil {
        throw Refusal(.nameMismatch, "the TLS handshake names no server")
      }
      try flow.checkPreflight(method: nil, destination)
      exchange.question = EgressRequest(
        subject: agent.subject, stage: .authority, scheme: .https, authority: destination)
      flow.decide(exchange) { [self] _, exchange in redirectedDecided(exchange, destination) }
    } catch {
      flow.refuse(exchange, error)
    }
  }

  private func redirectedDecided(_ exchange: Exchange, _ destination: Authority) {
    guard !loop.audit.isDown else {
      return flow.refuse(exchange, Refusal(.auditUnavailable, "requests cannot be written down at this moment"))
    }
    flow.tunnel = Tunnel(authority: destination, opening: exchange)
    loop.counts.tunnels += 1
    deadline = loop.now + TimeAmount(limits.handshakeTimeout)
    findLeaf(for: destination.host)
  }

  /// A plain request: in origin form, to the host that the address stands for.
  func handleRedirectedRequest(_ head: RequestHead, _ destination: Authority) {
    let exchange = flow.makeExchange()
    exchange.take(head)
    exchange.scheme = .http
    exchange.authority = destination
    phase = .exchange
    touch()
    do throws(Refusal) {
      if head.fields.equal(head.method, "connect") {
        throw Refusal(.protocolNotSupported, "a proxy request came by a redirected connection")
      }
      guard let host = try flow.hostField(head, required: true),
        let named = try? Authority.parse(hostHeader: host, defaultPort: 80), named == destination
      else { throw Refusal(.nameMismatch, "the Host field names another authority than that of the address") }
      let target = try flow.parseTarget(head)
      if case .absolute(let scheme, let authority) = target.form {
        guard scheme == .http, authority == destination else {
          throw Refusal(.nameMismatch, "the request target names another authority than that of the address")
        }
      }
      exchange.path = target.path.description
      body = BodyDecoder(head.framing, overheadLimit: limits.headerBytes)
      try flow.begin(exchange, head, target)
    } catch {
      flow.refuse(exchange, error)
    }
  }

  func openingTimedOut() {
    guard let destination else { return }
    if inbound == nil {
      refuseOpening(destination, .protocolNotSupported, "nothing was sent: protocols whose server speaks first cannot pass")
    } else {
      refuseOpening(destination, .requestTimeout, "the first bytes did not arrive in time")
    }
  }

  /// The event of a redirected connection that ended before its first bytes were read.
  func recordUnopened(_ reason: EndReason) {
    guard phase == .opening, let destination else { return }
    flow.record(makeOpening(destination), reason == .clientAborted ? .error : .deny, reason.text)
  }

  /// The answer to a handshake that is refused, which no HTTP response can be: an alert (RFC 8446 §6.2, access_denied).
  func sendHandshakeRefusal() {
    if let inbound, FirstBytes.read(inbound) == .tls {
      append { $0.writeBytes([21, 3, 3, 0, 2, 2, 49]) }
      flush()
    }
    finish(keepsAlive: false)
  }

  private func refuseOpening(_ destination: Authority, _ reason: DenialReason, _ explanation: String) {
    phase = .deciding
    flow.refuse(makeOpening(destination), Refusal(reason, explanation))
  }

  private func makeOpening(_ destination: Authority) -> Exchange {
    let exchange = flow.makeExchange()
    exchange.action = "connect"
    exchange.scheme = .https
    exchange.isConnect = true
    exchange.isRedirected = true
    exchange.proto = "tcp"
    exchange.authority = destination
    return exchange
  }
}

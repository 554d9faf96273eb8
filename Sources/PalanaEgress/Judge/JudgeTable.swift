import NIOCore
import PalanaAudit
import PalanaCore
import PalanaPolicy

/// The requests and tunnels that another proxy has open. Only ever touched on its event loop.
final class JudgeTable {
  /// A tunnel, until the proxy has said that both of its sides are closed.
  final class OpenTunnel {
    let flow: RequestFlow
    let tunnel: Tunnel
    var isClosedOutside = false
    var isClosedInside = false
    /// Why nothing was asked in it; nil: nobody did.
    var failure: (verdict: AuditEvent.Decision, reason: String)?
    var closed: NIODeadline?

    init(flow: RequestFlow, tunnel: Tunnel) {
      self.flow = flow
      self.tunnel = tunnel
    }
  }

  let loop: LoopContext
  /// Whether credentials may travel although responses are not looked into.
  let mayGoUnscrubbed: Bool
  /// Agents whose connections the proxy has to close.
  private(set) var cutAgents: Set<AgentID> = []
  /// Called when a late answer of a guardrail has cut an agent.
  private let onCut: @Sendable () -> Void
  private(set) var requests: [String: JudgedRequest] = [:]
  private(set) var tunnels: [String: OpenTunnel] = [:]
  /// How often each name stands in ``tunnels``.
  private var names: [CanonicalHost: Int] = [:]

  init(loop: LoopContext, mayGoUnscrubbed: Bool, onCut: @escaping @Sendable () -> Void) {
    self.loop = loop
    self.onCut = onCut
    self.mayGoUnscrubbed = mayGoUnscrubbed
  }

  func noteCut(_ agent: AgentID) {
    cutAgents.insert(agent)
    onCut()
  }

  func takeCut() -> Set<AgentID> {
    defer { cutAgents = [] }
    return cutAgents
  }

  func forget(_ request: JudgedRequest) { requests[request.exchange.id] = nil }

  /// Whether an open tunnel leads to `host`: only then does a certificate for it exist.
  func hasTunnel(to host: CanonicalHost) -> Bool { names[host] != nil }

  // MARK: Requests

  /// - Parameter answer: called once, on the event loop.
  func judge(_ head: JudgedHead, from source: JudgedSource, _ answer: @escaping (Judgement) -> Void) {
    let open = source.tunnel.flatMap { tunnels[$0] }
    let agent = loop.snapshot.agents[source.source.ip]
    guard let agent, agent.id == source.agent, !agent.isKilled, source.tunnel == nil || open?.flow.agent.id == agent.id else {
      let reason: DenialReason = agent?.id == source.agent && agent?.isKilled == true ? .agentKilled : .agentUnknown
      return refuseStranger(agent, source, reason, answer)
    }
    let flow = RequestFlow(agent: agent, source: source.source, loop: loop)
    flow.tunnel = open?.tunnel
    // Its event may come after the end of the tunnel, which then needs none.
    open?.tunnel.hasRequests = true
    let exchange = flow.makeExchange()
    let request = JudgedRequest(flow: flow, exchange: exchange, table: self, answer: answer)
    requests[exchange.id] = request
    exchange.sendElsewhere = { [unowned request] in request.allowed() }
    if let open {
      exchange.scheme = .https
      exchange.authority = open.tunnel.authority
    }
    do throws(Refusal) {
      let parsed = try parse(head, insideTunnel: open != nil)
      exchange.take(parsed)
      if let open {
        try checkServerName(head, open.tunnel)
        flow.innerRequest(parsed, exchange)
      } else if head.method == "CONNECT" {
        try flow.connect(parsed, exchange) { [unowned self, unowned request] in opened(request, $0) }
      } else {
        try flow.plainRequest(parsed, exchange)
      }
    } catch {
      flow.refuse(exchange, error)
    }
  }

  private func opened(_ request: JudgedRequest, _ exchange: Exchange) {
    let flow = request.flow
    forget(request)
    guard !loop.audit.isDown else {
      return flow.refuse(exchange, Refusal(.auditUnavailable, "requests cannot be written down at this moment"))
    }
    guard let authority = exchange.authority else { return }
    guard authority.host.address == nil else {
      return flow.refuse(
        exchange, Refusal(.notOnThisDataPlane, "this data plane opens tunnels to names only, not to addresses"))
    }
    let tunnel = Tunnel(authority: authority, opening: exchange)
    flow.tunnel = tunnel
    flow.exchange = nil
    flow.client = nil
    loop.counts.tunnels += 1
    loop.counts.openConnections += 1
    names[authority.host, default: 0] += 1
    tunnels[exchange.id] = OpenTunnel(flow: flow, tunnel: tunnel)
    request.opened()
  }

  /// The head in the form in which the gateway's own parser reads heads, and nothing that it does not accept.
  private func parse(_ head: JudgedHead, insideTunnel: Bool) throws(Refusal) -> RequestHead {
    var buffer = ByteBufferAllocator().buffer(capacity: 1024)
    let target = insideTunnel || head.method == "CONNECT" ? head.target : "http://\(head.authority)\(head.target)"
    buffer.writeString("\(head.method) \(target) HTTP/1.\(head.isHTTP10 ? 0 : 1)\r\nhost: \(head.authority)\r\n")
    for field in head.fields {
      buffer.writeString(field.name)
      buffer.writeStaticString(": ")
      buffer.writeBytes(field.value)
      buffer.writeStaticString("\r\n")
    }
    buffer.writeStaticString("\r\n")
    var scanner = HeadScanner()
    do throws(HeadError) {
      // A line break in what another parser took for a value ends here.
      guard try scanner.scan(buffer, limit: loop.shared.limits.headerBytes * 2) == buffer.readableBytes else {
        throw .malformed("the request head holds a line break")
      }
      var limits = loop.shared.limits
      // The proxy counts as the agent wrote; it added the authority in front of the target.
      limits.requestLineBytes += 512
      return try RequestHead(buffer, limits: limits)
    } catch {
      throw Refusal(error)
    }
  }

  private func checkServerName(_ head: JudgedHead, _ tunnel: Tunnel) throws(Refusal) {
    if let name = head.serverName, !name.isEmpty, (try? CanonicalHost.parse(name)) != tunnel.authority.host {
      throw Refusal(.nameMismatch, "the TLS server name is another one than that of CONNECT")
    }
  }

  /// The address is no agent's any more, or another one's.
  private func refuseStranger(
    _ agent: EgressAgent?, _ source: JudgedSource, _ reason: DenialReason, _ answer: (Judgement) -> Void
  ) {
    let known = agent?.id == source.agent ? agent : nil
    let name = known.map { AuditEvent.AgentRef(id: $0.id, name: $0.subject.name.text, owner: $0.subject.owner) }
    loop.refuse(RefusalLog.Refusal(ip: source.source.ip, port: source.source.port, reason: reason, agent: name))
    answer(.refused(id: "", DenialAnswer.judged(Refusal(reason, "this agent may not speak"), id: "", host: "")))
  }

  // MARK: What the proxy reports

  func ended(_ id: String, _ end: JudgedEnd) { requests[id]?.ended(end) }

  /// A request that the proxy refused by itself, before it asked.
  func refusedElsewhere(_ source: JudgedSource, _ reason: DenialReason, method: String?, status: Int?) {
    guard let agent = loop.snapshot.agents[source.source.ip], agent.id == source.agent else { return }
    let open = source.tunnel.flatMap { tunnels[$0] }
    let flow = RequestFlow(agent: agent, source: source.source, loop: loop)
    flow.tunnel = open?.tunnel
    let exchange = flow.makeExchange()
    exchange.method = method
    exchange.scheme = open == nil ? nil : .https
    exchange.authority = open?.tunnel.authority
    exchange.status = status
    flow.record(exchange, reason.status >= 500 ? .error : .deny, reason.rawValue)
  }

  /// - Parameter handshake: nil when it is the agent's side of the tunnel that is closed.
  func tunnelClosed(_ id: String, _ handshake: JudgedHandshake?) {
    guard let open = tunnels[id] else { return }
    if let handshake {
      open.isClosedInside = true
      open.failure = failure(handshake, open.tunnel)
    } else {
      open.isClosedOutside = true
    }
    if open.isClosedInside, open.isClosedOutside { end(id, open) } else { open.closed = loop.now }
  }

  private func failure(_ handshake: JudgedHandshake, _ tunnel: Tunnel) -> (AuditEvent.Decision, String)? {
    if !handshake.serverName.isEmpty, (try? CanonicalHost.parse(handshake.serverName)) != tunnel.authority.host {
      return (.deny, DenialReason.nameMismatch.rawValue)
    }
    return switch handshake.outcome {
    case .fine: nil
    case .failed: (.error, DenialReason.clientHandshakeFailed.rawValue)
    case .notTLS: (.deny, DenialReason.protocolNotSupported.rawValue)
    }
  }

  /// A tunnel of which the other half was never heard of is over after a moment.
  func sweep() {
    let late = loop.now - .seconds(2)
    for (id, open) in tunnels where open.isClosedOutside && open.closed.map({ $0 < late }) == true { end(id, open) }
  }

  private func end(_ id: String, _ open: OpenTunnel, _ reason: EndReason? = nil) {
    tunnels[id] = nil
    loop.counts.openConnections -= 1
    let host = open.tunnel.authority.host
    if let count = names[host] { names[host] = count > 1 ? count - 1 : nil }
    guard !open.tunnel.hasRequests else { return }
    open.tunnel.hasRequests = true
    if let failure = open.failure {
      open.flow.record(open.tunnel.opening, failure.verdict, failure.reason)
    } else {
      open.flow.record(open.tunnel.opening, .allow, reason?.text)
    }
  }

  // MARK: Changes of state

  /// Takes the new snapshot, ends what it no longer covers and has the rest judged again.
  func apply(_ next: EgressSnapshot) {
    guard next.version >= loop.snapshot.version else { return }
    loop.apply(next)
    func state(_ flow: RequestFlow) -> Result<EgressAgent, EndedAgent> {
      guard let agent = next.agents[flow.source.ip], agent.id == flow.agent.id else { return .failure(EndedAgent(.agentChanged)) }
      guard !agent.isKilled else { return .failure(EndedAgent(.agentKilled)) }
      guard agent.continues(flow.agent) else { return .failure(EndedAgent(.agentChanged)) }
      return .success(agent)
    }
    for request in requests.values {
      switch state(request.flow) {
      case .success(let agent): request.flow.adopt(agent)
      case .failure(let ended): request.cut(ended.reason)
      }
    }
    for (id, open) in tunnels {
      switch state(open.flow) {
      case .success(let agent): open.flow.agent = agent
      case .failure(let ended):
        cutAgents.insert(open.flow.agent.id)
        end(id, open, ended.reason)
      }
    }
  }

  /// Ends everything of these agents here.
  func cut(_ agents: Set<AgentID>, _ reason: EndReason) {
    cutAgents.formUnion(agents)
    for request in requests.values where agents.contains(request.flow.agent.id) { request.cut(reason) }
    for (id, open) in tunnels where agents.contains(open.flow.agent.id) { end(id, open, reason) }
  }

  /// The proxy is gone: nothing of what it had open will be heard of again.
  func endAll(_ reason: EndReason) {
    for request in requests.values { request.cut(reason) }
    for (id, open) in tunnels { end(id, open, reason) }
    cutAgents = []
  }

  private struct EndedAgent: Error {
    var reason: EndReason
    init(_ reason: EndReason) { self.reason = reason }
  }
}

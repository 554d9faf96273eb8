import NIOCore
import PalanaAudit
import PalanaCore
import PalanaPolicy
import PalanaSecrets

/// One request that another proxy carries: it goes the way of every request up to the point where it would be sent, and waits
/// there for its end. Only ever touched on the event loop of its table.
final class JudgedRequest: ClientSide {
  let flow: RequestFlow
  let exchange: Exchange
  private let table: JudgeTable
  /// Nil once the proxy has its answer.
  private var answer: ((Judgement) -> Void)?

  init(flow: RequestFlow, exchange: Exchange, table: JudgeTable, answer: @escaping (Judgement) -> Void) {
    self.flow = flow
    self.exchange = exchange
    self.table = table
    self.answer = answer
    flow.client = self
  }

  /// The request is allowed and has its credentials: where it goes, and how its head changes.
  func allowed() {
    do throws(Refusal) {
      try checkAbilities()
      guard let authority = exchange.authority else { return }
      if let known = flow.loop.shared.resolver.known(authority.host, now: .now()) { return try resolved(known) }
      flow.loop.shared.resolver.resolve(authority.host, for: flow.agent.id, on: flow.loop.eventLoop).assumeIsolated()
        .whenComplete { [self] result in
          guard answer != nil, !exchange.isRecorded else { return }
          // It may have become another agent's secret, or none, while the name was looked up.
          guard flow.hasCurrentPlan(exchange) else { return flow.allowed(exchange) }
          do throws(Refusal) {
            try resolved(result.mapError { $0 as? ResolveError ?? .noAnswer })
          } catch {
            flow.refuse(exchange, error)
          }
        }
    } catch {
      flow.refuse(exchange, error)
    }
  }

  /// What this gateway would do with the contents of a message, and the other proxy cannot.
  private func checkAbilities() throws(Refusal) {
    if exchange.needsContents || mayHaveBody && bindsInBodies { throw RequestFlow.notThere }
    if flow.limits.requestBodyBytes > 0, mayHaveBody, !hasKnownLength {
      throw Refusal(.notOnThisDataPlane, "this data plane cannot count a body whose length is not stated, and there is a limit on bodies")
    }
    if exchange.method == "POST", exchange.injection.bindings.contains(where: { !$0.tokenDestinations.isEmpty }) {
      throw Refusal(.notOnThisDataPlane, "this data plane does not take tokens out of the answers of token endpoints")
    }
    if !exchange.injection.isEmpty, !table.mayGoUnscrubbed {
      throw Refusal(
        .notOnThisDataPlane,
        "this data plane does not look for secrets in responses; an operator may accept that: egress.envoy.unscrubbed")
    }
  }

  /// Envoy does not say whether a body without a stated length follows, so only methods that have none count as without.
  private var mayHaveBody: Bool {
    guard !exchange.hasBody, let head = exchange.head, head.framing == .none else { return exchange.hasBody }
    return !["GET", "HEAD", "OPTIONS"].contains(exchange.method ?? "")
  }

  private var hasKnownLength: Bool {
    if case .length = exchange.head?.framing { return true }
    return false
  }

  /// Whether a secret of the agent may stand in a body on the way to this destination.
  private var bindsInBodies: Bool {
    guard let authority = exchange.authority, let scheme = exchange.scheme else { return false }
    return flow.agent.bindings.contains { binding in
      binding.places.contains(.body)
        && binding.destinations.contains { destination in
          destination.scheme == scheme && destination.port == authority.port && destination.host.matches(authority.host)
        }
    }
  }

  private func resolved(_ result: Result<[IPAddress], ResolveError>) throws(Refusal) {
    guard let head = exchange.head, let target = exchange.target, let authority = exchange.authority, let scheme = exchange.scheme
    else { return }
    let permits: [AddressPermit]
    switch UpstreamDial.permits(result, port: authority.port, policy: flow.loop.shared.addresses) {
    case .success(let checked): permits = checked
    case .failure(let failure): throw Refusal(failure.reason, failure.explanation)
    }
    guard let upstream = permits.first else { throw Refusal(.nameNotResolved, "the name has no address") }
    var buffer = ByteBufferAllocator().buffer(capacity: head.fields.bytes.readableBytes + 256)
    if !exchange.injection.isEmpty { exchange.injection.learn(into: flow.loop.shared.learner.book) }
    let host = flow.tunnel?.hostText ?? authority.hostText(for: scheme)
    UpstreamHead.write(
      head, target: target, host: host, framing: head.framing, injection: exchange.injection, isUpgrade: exchange.isUpgrade,
      isScrubbed: false,
      into: &buffer)
    let changes = try HeadComparison.changes(from: head, to: buffer, limits: flow.limits)
    exchange.head = nil
    exchange.target = nil
    exchange.wentUpstream = true
    respond(.allowed(id: exchange.id, changes, upstream: upstream))
  }

  /// CONNECT is allowed.
  func opened() {
    exchange.wentUpstream = true
    respond(.allowed(id: exchange.id, HeadChanges(), upstream: nil))
  }

  private func respond(_ judgement: Judgement) {
    guard let answer else { return }
    self.answer = nil
    answer(judgement)
  }

  /// The proxy says how the request ended.
  func ended(_ end: JudgedEnd) {
    table.forget(self)
    guard !exchange.isRecorded else { return }
    exchange.status = end.status
    exchange.bytesSent = end.bytesSent
    exchange.bytesReceived = end.bytesReceived
    switch end.outcome {
    case .complete: flow.record(exchange, .allow, nil)
    case .aborted:
      // A websocket that its client closes has ended well.
      if exchange.isUpgrade, end.status == 101 {
        flow.record(exchange, .allow, nil)
      } else {
        flow.record(exchange, .error, EndReason.clientAborted.text)
      }
    case .failed(let reason): flow.record(exchange, .error, reason.rawValue)
    case .idle: flow.record(exchange, .error, EndReason.idle.text)
    }
    flow.exchange = nil
    flow.client = nil
  }

  // MARK: ClientSide

  var isWritable: Bool { true }
  func touch() {}
  func proceed() {}
  func readOn() {}
  func hold() {}
  func sendContinue() {}
  func sendInterim(_ head: ResponseHead) {}
  func sendHead(_ head: ResponseHead, of exchange: Exchange) {}
  func sendSwitch(_ head: ResponseHead, of exchange: Exchange) {}
  func sendContents(_ contents: ByteBuffer) {}
  func sendEnd(trailers: HeadFields?) {}
  func flush() {}
  func finish(_ exchange: Exchange) { table.forget(self) }

  func sendRefusal(_ refusal: Refusal, of exchange: Exchange) {
    table.forget(self)
    flow.exchange = nil
    flow.client = nil
    respond(.refused(id: exchange.id, DenialAnswer.judged(refusal, exchange: exchange)))
  }

  func abandon() { cut(.clientAborted) }

  /// Ends it here and has the proxy close the agent's connections.
  func cut(_ reason: EndReason) {
    flow.end(reason)
    table.forget(self)
    table.noteCut(flow.agent.id)
    let denial: DenialReason =
      switch reason {
      case .denied(let denial), .policyChanged(let denial): denial
      case .agentKilled: .agentKilled
      default: .policyUnavailable
      }
    respond(
      .refused(id: exchange.id, DenialAnswer.judged(Refusal(denial, "the request was ended"), exchange: exchange)))
  }
}

extension RequestFlow {
  /// What this gateway would do with the contents of a request, and another proxy cannot.
  static let notThere = Refusal(
    .notOnThisDataPlane, "this data plane does not put secrets into bodies or websocket frames")
}

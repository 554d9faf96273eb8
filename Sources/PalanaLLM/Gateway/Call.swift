import NIOCore
import NIOHTTP1
import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaSecrets

/// One request of an agent, from its head to the event that tells of it.
final class Call {
  /// How a call comes to its end before its answer did.
  enum End: Hashable, Sendable {
    case agentLeft
    case agentKilled
    case gatewayStopping
  }

  enum Phase {
    case receiving
    /// A value of a secret is fetched, or a pause before the next attempt goes by.
    case waiting
    /// At an upstream.
    case attempting
    case ended
  }

  let connection: AgentConnection
  let loop: LLMLoop
  let agent: LLMAgent
  let head: HTTPRequestHead
  let id: String
  let time: Timestamp
  let begun = NIODeadline.now()

  var phase = Phase.receiving
  var route: LLMRoute?
  var endpoint: Endpoint?
  var body = ByteBuffer()
  /// Bytes of the body as it came, for which room was taken.
  private var received = 0
  /// What was taken out of the prompt: how often, by the names of patterns.
  var redactions: [String: Int] = [:]
  var scan: RequestScan?
  var reservation: Reservation?
  var ticket: ReasoningBreaker.Ticket?
  var attempts = 0
  var tried: Set<Int> = []
  /// Upstreams that cannot answer this request.
  var unfit: Set<Int> = []
  /// When the upstream in question speaks another dialect than the agent.
  var translator: AnswerTranslator?
  /// What takes the credential out of the answer.
  var scrubber: ResponseScrubber?
  var upstream: Int?
  var attempt: UpstreamAttempt?
  /// When something has to have happened.
  var expires = NIODeadline.distantFuture
  var answer: CallAnswer?
  /// The head of an answer that goes to the agent as a whole.
  var held: HTTPResponseHead?
  /// Whether an upstream may have worked on it.
  var wasSent = false
  /// Bytes of the answer that went to the agent.
  var sent: Int64 = 0
  var pause: Scheduled<Void>?
  /// What is kept of the call; nil: nothing is.
  var content: ContentCollector?

  init(connection: AgentConnection, loop: LLMLoop, agent: LLMAgent, head: HTTPRequestHead) {
    self.connection = connection
    self.loop = loop
    self.agent = agent
    self.head = head
    id = loop.nextRequestID()
    time = loop.shared.clock.now()
  }

  /// What the agent understands.
  var dialect: Dialect {
    if case .call(let spoken)? = endpoint?.purpose { return spoken }
    return style == .anthropic ? .anthropicMessages : .openAIChat
  }

  /// Which of the libraries the agent uses, as far as its request shows it.
  var style: RouteStyle {
    if case .countTokens? = endpoint?.purpose { return .anthropic }
    if head.headers.contains(name: "anthropic-version") { return .anthropic }
    return route?.style ?? .openAI
  }

  /// How many upstreams could answer.
  var fitUpstreams: Int { (route?.upstreams.count ?? 0) - unfit.count }

  static let agentLeft = "agent_left"

  var isEnded: Bool { if case .ended = phase { true } else { false } }

  // MARK: The request

  /// What can be said of the head alone; nil: its body may come.
  func prepare() -> LLMRefusal? {
    guard !agent.isKilled else { return LLMRefusal(.forbidden, .agentKilled, "this agent is cut off") }
    guard !loop.isStopping else { return LLMRefusal(.serviceUnavailable, .gatewayStopping, "the gateway is about to end", retryAfter: 1) }
    let path = Self.path(head.uri)
    let rest = path.dropFirst()
    let end = rest.firstIndex(of: "/") ?? rest.endIndex
    guard path.hasPrefix("/"), let route = loop.shared.routes[String(rest[..<end])] else {
      let names = loop.shared.routes.keys.sorted().map { "/\($0)/…" }.joined(separator: ", ")
      return LLMRefusal(.notFound, .routeUnknown, "there is no route ‘\(path.prefix(80))’; there are: \(names.isEmpty ? "none" : names)")
    }
    self.route = route
    guard let endpoint = Endpoint(rest[end...], method: head.method.rawValue, style: route.style) else {
      return LLMRefusal(.notFound, .endpointUnknown, "the route /\(route.name) does not answer \(head.method) \(rest[end...].prefix(80))")
    }
    self.endpoint = endpoint
    guard PlainPath.isPlain(path) else {
      return LLMRefusal(.badRequest, .malformedRequest, "the path must be plain: no dot segments, backslashes or control characters")
    }
    guard head.headers[canonicalForm: "content-encoding"].allSatisfy({ $0.lowercased() == "identity" }) else {
      return LLMRefusal(.unsupportedMediaType, .malformedRequest, "the body must not be compressed")
    }
    if let length = head.headers.first(name: "content-length").flatMap({ Int($0) }), length > mostBytes {
      return tooLarge
    }
    return nil
  }

  /// Of a target in absolute form (RFC 9112 §3.2.2), what follows the authority.
  private static func path(_ target: String) -> Substring {
    guard !target.hasPrefix("/"), let colon = target.firstIndex(of: ":") else { return target[...] }
    let authority = target[colon...].dropFirst()
    guard authority.hasPrefix("//"), let slash = authority.dropFirst(2).firstIndex(of: "/") else { return target[...] }
    return target[slash...]
  }

  private var tooLarge: LLMRefusal {
    LLMRefusal(.payloadTooLarge, .requestTooLarge, "the body is longer than \(mostBytes) bytes")
  }

  /// Of the body.
  private var mostBytes: Int { min(route?.maxBody ?? .max, loop.shared.limits.requestBytes) }

  func receive(_ bytes: ByteBuffer) -> LLMRefusal? {
    guard body.readableBytes + bytes.readableBytes <= mostBytes else { return tooLarge }
    guard loop.take(bodyBytes: bytes.readableBytes, of: agent.id) else {
      return LLMRefusal(.serviceUnavailable, .overloaded, "the gateway has no room for more requests now", retryAfter: 1)
    }
    body.writeImmutableBuffer(bytes)
    received += bytes.readableBytes
    return nil
  }

  /// The request is whole.
  func start() {
    guard case .receiving = phase, let route, let endpoint else { return }
    guard loop.mayCall else {
      return refuse(LLMRefusal(.serviceUnavailable, .auditUnavailable, "what happens cannot be written down at the moment", retryAfter: 1))
    }
    if let refusal = leak() { return refuse(refusal) }
    for (index, upstream) in route.upstreams.enumerated() where !upstream.style.answers(endpoint.purpose, style) { unfit.insert(index) }
    switch endpoint.purpose {
    case .models where !route.models.allowed.isEmpty || !route.models.aliases.isEmpty: return answerModels(route)
    case .call(let dialect):
      do throws(DialectError) { scan = try RequestScan(body, dialect: dialect, findsTurns: countsReasoning) } catch {
        return refuse(LLMRefusal(error))
      }
      if let refusal = redact() ?? judge(route) ?? judgeReasoning() { return refuse(refusal) }
      if let refusal = reserve(route) { return refuse(refusal) }
    case .countTokens:
      do throws(DialectError) { scan = try RequestScan(body, dialect: .anthropicMessages) } catch { return refuse(LLMRefusal(error)) }
      if let refusal = redact() ?? judge(route) { return refuse(refusal) }
      if fitUpstreams == 0 { return countTokens() }
    case .anything: if let refusal = judgeReasoning() ?? reserve(route) { return refuse(refusal) }
    case .models: break
    }
    guard fitUpstreams > 0 else { return refuse(unspoken(route)) }
    next()
  }

  /// In place of a model's name, on routes that pass through.
  static let unread = "pass-through"

  private func judge(_ route: LLMRoute) -> LLMRefusal? {
    guard let call = scan?.call else { return nil }
    guard route.models.allows(call.model) else {
      return LLMRefusal(
        .forbidden, .modelNotAllowed,
        "the route /\(route.name) does not have the model ‘\(call.model)’; it has: \(route.models.shown.joined(separator: ", "))",
        member: "model")
    }
    guard !call.isInBackground else {
      return LLMRefusal(
        .badRequest, .untranslatable, "an answer in the background cannot be counted: leave ‘background’ out", member: "background")
    }
    return tooMuchInput(route, call)
  }

  private func reserve(_ route: LLMRoute) -> LLMRefusal? {
    var claim = Claim(
      caller: LLMCaller(id: agent.id, name: agent.name.text, owner: agent.owner, template: agent.template), route: route.name,
      model: Self.unread, input: 0, output: 0, time: time)
    // Where nothing is read, calls are counted all the same.
    if let call = scan?.call {
      claim.model = route.models.name(of: call.model)
      claim.input = TokenEstimate.input(of: call)
      if call.dialect != .openAIEmbeddings {
        let output = Int64(clamping: min(call.maxOutput ?? route.maxOutput, route.maxOutput))
        let (total, isTooMuch) = output.multipliedReportingOverflow(by: Int64(clamping: max(1, call.choices)))
        claim.output = isTooMuch ? .max : total
      }
    }
    switch loop.shared.ledger.reserve(claim) {
    case .success(let reservation):
      self.reservation = reservation
      return nil
    case .failure(let refusal): return LLMRefusal(refusal)
    }
  }

  func look(_ now: NIODeadline) {
    guard now >= expires, case .attempting = phase, let attempt else { return }
    attempt.cancel()
    let refusal = LLMRefusal(.gatewayTimeout, .upstreamTimeout, "the upstream did not answer in time")
    // Whether it went on thinking nobody knows: it is not asked twice.
    if answer == nil || held != nil { return refuse(refusal) }
    breakOff(refusal)
  }

  // MARK: Ends

  /// Says no, in the dialect of the route.
  func refuse(_ refusal: LLMRefusal) {
    guard !isEnded else { return }
    attempt?.cancel()
    attempt = nil
    guard answer == nil || held != nil else { return breakOff(refusal) }
    let body = ErrorBody(refusal).bytes(dialect)
    var fields = HTTPHeaders([("content-type", "application/json"), ("content-length", "\(body.readableBytes)"), ("x-request-id", id)])
    if let seconds = refusal.retryAfter { fields.add(name: "retry-after", value: "\(seconds)") }
    // The SDKs repeat by themselves what a pause may mend; what it cannot mend they shall not.
    if refusal.isFinal { fields.add(name: "x-should-retry", value: "false") }
    connection.write(head: HTTPResponseHead(version: .http1_1, status: refusal.status, headers: fields))
    content?.take(body)
    connection.write(body)
    sent += Int64(body.readableBytes)
    close(
      refusal.isDenial ? .deny : .error, reason: refusal.reason.rawValue, status: Int(refusal.status.code), outcome: .error, refusal.details
    )
    connection.finish()
  }

  /// The answer has begun and cannot be brought to its end.
  func breakOff(_ refusal: LLMRefusal) {
    guard !isEnded else { return }
    attempt?.cancel()
    attempt = nil
    let isStream = answer?.isStream ?? false
    if isStream {
      let event = ErrorBody(refusal).event(dialect)
      content?.take(event)
      connection.write(event)
      connection.flush()
    }
    close(.error, reason: refusal.reason.rawValue, status: answer?.status, outcome: .error)
    connection.breakOff(gently: isStream)
  }

  /// The answer is complete.
  func complete() {
    guard !isEnded, let answer else { return }
    attempt = nil
    if let upstream, let route { loop.worked(upstream, of: route.name) }
    let isError = answer.status >= 400 || answer.report.isError
    close(.allow, reason: isError ? LLMRefusal.Reason.upstreamFailed.rawValue : nil, status: answer.status, outcome: isError ? .error : .ok)
    connection.finish()
  }

  /// The connection is gone.
  func end(_ end: End) {
    guard !isEnded else { return }
    attempt?.cancel()
    attempt = nil
    let reason =
      switch end {
      case .agentLeft: Self.agentLeft
      case .agentKilled: LLMRefusal.Reason.agentKilled.rawValue
      case .gatewayStopping: LLMRefusal.Reason.gatewayStopping.rawValue
      }
    // A request that never was whole, of somebody who left, is not one.
    if case .receiving = phase, end == .agentLeft {
      phase = .ended
      return loop.give(bodyBytes: received, of: agent.id)
    }
    close(end == .agentKilled ? .deny : .error, reason: reason, status: answer?.status, outcome: .cancelled)
  }

  private func close(_ decision: AuditEvent.Decision, reason: String?, status: Int?, outcome: LLMOutcome, _ details: [String: String] = [:])
  {
    phase = .ended
    pause?.cancel()
    loop.give(bodyBytes: received, of: agent.id)
    giveBackReasoning(status)
    endContent(status)
    let settled = settle(outcome)
    count(outcome, reason: reason, isAllowed: decision == .allow, settled)
    var event = event(decision, reason: reason, status: status, settled)
    event.details.merge(details) { own, _ in own }
    loop.record(event)
    loop.note(agent.id, at: loop.shared.clock.now())
    body = ByteBuffer()
    answer = nil
  }
}
